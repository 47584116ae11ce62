"""How much memory the child process that opens an artifact may allocate."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pe_validate.system.errors import RunError
from pe_validate.system.files import size

BASE_MEMORY: Final = 4 * 2**30
MEMORY_PER_BYTE: Final = 12
"""Bytes: the libraries take the first, weights in several forms the second."""

LARGEST_ARTIFACT: Final = 4 * 2**30
"""Bytes; the largest model's in float32 has a third of it."""


def memory_for(path: Path) -> int:
    """Return how many bytes a sound artifact of this size never needs.

    Raises:
        RunError: it is larger than any; a file may have terabytes that are nowhere on the disk.
    """
    found = size(path) if path.exists() else 0
    if found > LARGEST_ARTIFACT:
        raise RunError(
            f"'{path}' has {found:,} bytes, and no artifact has more than {LARGEST_ARTIFACT:,}; export it again."
        )
    return BASE_MEMORY + MEMORY_PER_BYTE * found
