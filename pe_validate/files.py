"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import stat
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
    except BaseException:
        os.unlink(temporary)
        raise


def plain_file(path: Path, largest: int | None = None) -> Path:
    """``path``, of at most ``largest`` bytes.

    Raises:
        OSError: it is missing, too large, or a pipe or device, of which reading may never end.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise OSError("it is not a plain file")
    if largest is not None and found.st_size > largest:
        raise OSError(f"it has {found.st_size} bytes, and more than {largest} are not plausible")
    return path


def fixtures() -> Path:
    """The folder of fixtures: inside an installed package, or beside it in a checkout."""
    packaged, checkout = (Path(__file__).parents[depth] / "fixtures" for depth in (0, 1))
    return packaged if packaged.is_dir() else checkout
