"""Where a report comes from: the files, the commit, and what ended a command early."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pe_validate.data.counts import Count


@dataclass(frozen=True, slots=True)
class File:
    """A file or package as it was when it was read; of a folder, sha256 and size cover everything in it."""

    path: Path
    sha256: str
    size: Count
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Commit:
    """The git commit of the folder in which a command ran; ``clean`` if no tracked file was edited since."""

    sha: str
    clean: bool

    def __str__(self) -> str:
        return self.sha if self.clean else f"{self.sha}, with edits"


@dataclass(frozen=True, slots=True)
class StageError:
    """What ended a command before it had a result for each case; ``judged`` is the file that it was about, if one."""

    sentence: str
    judged: File | None = None
