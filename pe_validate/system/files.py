"""Read, hash and atomically replace files."""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` under a temporary name beside ``path``, flush it to disk, then rename.

    Raises:
        OSError: the folder cannot be written; what was at ``path`` is still there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)  # already renamed if only flushing the folder failed
        raise


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exchange(first: Path, second: Path) -> None:
    """Swap two folders atomically, so that both names exist at every moment.

    Raises:
        OSError: the system refuses, or has no such system call.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(first), os.fsencode(second)
    if sys.platform == "darwin":
        failed = libc.renamex_np(*names, _SWAP)
    else:
        failed = libc.renameat2(_HERE, names[0], _HERE, names[1], _SWAP)
    if failed:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


_SWAP = 2
"""RENAME_SWAP on macOS, RENAME_EXCHANGE on Linux."""

_HERE = -100
"""AT_FDCWD on Linux."""


def plain_file(path: Path, largest: int | None = None) -> Path:
    """Return ``path`` if it is a regular file of at most ``largest`` bytes.

    Raises:
        OSError: it is missing or too large, or it is a pipe or device, which may never stop giving bytes.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a plain file")
    if largest is not None and found.st_size > largest:
        raise OSError(f"it has {found.st_size} bytes, and more than {largest} are not plausible")
    return path


def shipped(name: str) -> Path:
    """Return a data folder of the project: inside an installed package, or beside it in a checkout."""
    packaged, checkout = (Path(__file__).parents[depth] / name for depth in (1, 2))
    return packaged if packaged.is_dir() else checkout


def digest(path: Path) -> str:
    """Return the sha256 of a file, or of a folder's relative file names and contents in sorted order."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    total = hashlib.sha256()
    for member in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(f"{member.relative_to(path).as_posix()}\0{digest(member)}\n".encode())
    return total.hexdigest()


def size(path: Path) -> int:
    """Return the size in bytes of a file, or of all files in a folder."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
