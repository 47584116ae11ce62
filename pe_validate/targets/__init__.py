"""The targets of conversion; each target writes, opens and inspects its own kind of file."""
