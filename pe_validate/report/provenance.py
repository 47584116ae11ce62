"""Name what a report comes from: the file that was judged, the configuration, the commit."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from pe_validate.data.provenance import Commit, File
from pe_validate.models.own.config import configuration_files
from pe_validate.system.files import digest, size

GIT: Final = ("git", "-c", "core.fsmonitor=", "status", "--porcelain=v2", "--branch", "--untracked-files=no")
"""The commit and the edits to tracked files, in one call that starts no file-system monitor."""

GIT_TIMEOUT: Final = 20.0
"""Seconds; a repository on a slow disk is not waited for."""

OID: Final = "# branch.oid "


def file_at(path: Path) -> File | None:
    """Return what identifies a file or package; None if it cannot be read."""
    try:
        if path.is_file() or path.is_dir():
            return File(path.absolute(), digest(path), size(path))
    except OSError:
        pass
    return None


def configuration() -> tuple[File, ...]:
    """Return the configuration files that name a user's own models here."""
    return tuple(file for path in configuration_files() if (file := file_at(path)))


@cache
def commit_of(folder: Path) -> Commit | None:
    """Return the commit of a folder as it was when first asked; None outside a repository, before its first commit,
    or without git.
    """
    try:
        done = subprocess.run(GIT, cwd=folder, capture_output=True, timeout=GIT_TIMEOUT, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = done.stdout.decode(errors="replace").splitlines()
    sha = next((line.removeprefix(OID) for line in lines if line.startswith(OID)), "")
    clean = all(line.startswith("#") for line in lines)
    return Commit(sha, clean) if sha.isalnum() else None  # '(initial)' before the first commit
