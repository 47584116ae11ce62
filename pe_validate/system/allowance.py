"""The memory limit of the child process that opens an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pe_validate.system.errors import RunError
from pe_validate.system.files import size

BASE_MEMORY: Final = 4 * 2**30
MEMORY_PER_BYTE: Final = 12
"""Bytes: the libraries need the first; copies of the weights need the second for each byte of the file."""

LARGEST_ARTIFACT: Final = 4 * 2**30
"""In bytes; the largest model in float32 takes a third of it."""


def memory_for(path: Path) -> int:
    """Return a memory limit, in bytes, that no sound artifact of this size exceeds.

    Raises:
        RunError: the file is larger than any artifact; a sparse file may claim terabytes.
    """
    found = size(path) if path.exists() else 0
    if found > LARGEST_ARTIFACT:
        raise RunError(
            f"'{path}' has {found:,} bytes, and no artifact has more than {LARGEST_ARTIFACT:,}; export it again."
        )
    return BASE_MEMORY + MEMORY_PER_BYTE * found
