"""Read the intermediate values of an artifact for one image, in a child process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import ExplainError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.base import Values

INTERMEDIATES_TIMEOUT: Final = 600.0
"""Seconds to take a file apart and run it once."""


def in_a_child(read: Callable[..., Values], path: Path, *arguments: object, preload: tuple[str, ...] = ()) -> Values:
    """Return ``read(path, *arguments)``, called in a child process.

    Raises:
        ExplainError: the file cannot be taken apart, or does not run afterwards.
    """
    with Child(memory=memory_for(path), preload=preload) as child:
        try:
            return child.call(read, INTERMEDIATES_TIMEOUT, path, *arguments)
        except ChildError as error:
            raise ExplainError(f"The intermediate values of '{path}' cannot be read: {error}.") from error


def is_wanted(value: Any, sizes: frozenset[int]) -> bool:
    """Return whether a NumPy array is floating-point and has one of ``sizes`` elements."""
    return bool(value.dtype.kind == "f" and value.size in sizes)
