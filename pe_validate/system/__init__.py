"""Child processes, files, errors and legible names, with the standard library alone."""
