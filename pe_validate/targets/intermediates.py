"""Every intermediate value of an artifact, for one image, read in a child process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import ExplainError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.base import Values

TAKE_APART_TIMEOUT: Final = 600.0
"""Seconds to take a file apart and to run it once."""


def in_a_child(read: Callable[..., Values], path: Path, *arguments: object, preload: tuple[str, ...] = ()) -> Values:
    """Return ``read(path, *arguments)``, called in a child.

    Raises:
        ExplainError: the file cannot be taken apart, or does not run any more when it is.
    """
    with Child(memory=memory_for(path), preload=preload) as child:
        try:
            return child.call(read, TAKE_APART_TIMEOUT, path, *arguments)
        except ChildError as error:
            raise ExplainError(f"The intermediate values of '{path}' cannot be read: {error}.") from error


def is_wanted(value: Any, sizes: frozenset[int]) -> bool:
    """Return whether a NumPy array is of floating-point numbers, and has one of ``sizes`` of them."""
    return bool(value.dtype.kind == "f" and value.size in sizes)
