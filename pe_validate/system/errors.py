"""One exception type per stage; each message is one sentence saying what, where and what to do.

The command line prints the message alone and exits with ``exit_code``: 2 when the request itself is
wrong, 3 when a stage could not do its work. (1 is kept for a gate that ran and failed.)
"""

from __future__ import annotations

import os

from pe_validate.system.legible import printable


class PEValidateError(Exception):
    """Base of every error that is the caller's to read."""

    exit_code = 3

    def __str__(self) -> str:
        """One line, in which what cannot be printed is escaped."""
        return printable(super().__str__())


class UsageError(PEValidateError):
    """The request names something that does not exist or cannot be combined."""

    exit_code = 2


class LoadError(PEValidateError):
    """Weights or images could not be loaded."""


class ExportError(PEValidateError):
    """An exporter failed, or what it wrote is not what was asked for."""


class RunError(PEValidateError):
    """An artifact could not be loaded or executed."""


class SetupError(PEValidateError):
    """An environment that artifacts run in could not be prepared."""


class ExplainError(PEValidateError):
    """The intermediate values of an artifact could not be had."""


class GoldenError(PEValidateError):
    """A stored golden is missing, altered or unreadable."""


class ReportError(PEValidateError):
    """A report could not be read or written."""


class FileError(PEValidateError):
    """The system refused a file or folder, and no stage has words of its own for it."""


def refused(error: OSError) -> FileError:
    """What the system said, in one sentence."""
    named = isinstance(error.filename, str | bytes)  # a descriptor says nothing
    what = f"'{os.fsdecode(error.filename)}'" if named else "what this needs"
    return FileError(f"The system refuses {what} ({error.strerror or error}): mend that, or choose another.")
