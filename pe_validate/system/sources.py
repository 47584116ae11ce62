"""The identity of code: a digest of the source files of modules, without importing them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def code_digest(modules: tuple[str, ...]) -> str:
    """Return one sha256 of the Python sources of ``modules``; a package includes everything in it.

    Only the text counts, not the file names: a module that is moved keeps its identity if its text stays the same.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    total = hashlib.sha256()
    for path in sorted({path for module in modules for path in _sources(module)}):
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _sources(module: str) -> Iterator[Path]:
    spec = find_spec(module)
    if spec is None or spec.origin is None or not spec.has_location:  # built-in modules have no source
        raise ModuleNotFoundError(f"No source of module '{module}' was found.", name=module)
    if spec.submodule_search_locations is None:
        yield Path(spec.origin)
        return
    for folder in spec.submodule_search_locations:
        yield from Path(folder).rglob("*.py")
