"""One exception type for each stage; every message is one sentence that says what failed, where, and what to do.

The command line prints only the message and exits with ``exit_code``: 2 if the request itself is wrong, 3 if a stage
could not do its work. (1 is reserved for a gate that ran and failed.)
"""

from __future__ import annotations

import os

from pe_validate.system.legible import printable


class PEValidateError(Exception):
    """Base class of every error that is reported to the user."""

    exit_code = 3

    def __str__(self) -> str:
        """Return the message with unprintable characters escaped."""
        return printable(super().__str__())


class UsageError(PEValidateError):
    """The request names something that does not exist, or combines things that do not go together."""

    exit_code = 2


class LoadError(PEValidateError):
    """Weights or images could not be loaded."""


class ExportError(PEValidateError):
    """An exporter failed, or wrote something other than what was asked for."""


class RunError(PEValidateError):
    """An artifact could not be loaded or executed."""


class SetupError(PEValidateError):
    """The environment in which artifacts run could not be prepared."""


class ExplainError(PEValidateError):
    """The intermediate values of an artifact could not be read."""


class GoldenError(PEValidateError):
    """A stored golden is missing, altered or unreadable."""


class ReportError(PEValidateError):
    """A report could not be read or written."""


class FileError(PEValidateError):
    """The operating system refused access to a file or folder, outside any particular stage."""


def refused(error: OSError) -> FileError:
    """Return a FileError that says which file the system refused, and why."""
    named = isinstance(error.filename, str | bytes)  # a file descriptor would mean nothing to the reader
    what = f"'{os.fsdecode(error.filename)}'" if named else "what this needs"
    return FileError(f"The system refuses {what} ({error.strerror or error}): mend that, or choose another.")


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message without its full stop, or the name of the error if it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
