"""ExecuTorch's reader and writer of finished programs, without its exporter.

The package ``executorch.exir`` imports the exporter, which takes 6 s; the modules below it that know the format need
nothing of that. While they are imported, an empty package stands in its place. A process that exports imports it later.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import executorch

FOLDER: Final = Path(next(iter(executorch.__path__)))

XNNPACK_SCHEMA: Final = FOLDER / "backends/xnnpack/serialization/schema.fbs"
"""The format of an XNNPACK delegate's graph."""

_PACKAGE: Final = "executorch.exir"


@contextmanager
def _without_exporter() -> Iterator[None]:
    """Let modules of ``executorch.exir`` be imported without their package, unless that is here already."""
    if _PACKAGE in sys.modules:
        yield
        return
    bare = ModuleType(_PACKAGE)
    bare.__path__ = [str(FOLDER / "exir")]
    sys.modules[_PACKAGE] = bare
    try:
        yield
    finally:
        del sys.modules[_PACKAGE]


with _without_exporter():
    from executorch.exir import schema
    from executorch.exir._serialize._flatbuffer import _flatc_compile as compile_graph
    from executorch.exir._serialize._flatbuffer import _flatc_decompile as decompile_graph
    from executorch.exir._serialize._program import PTEFile, deserialize_pte_binary, serialize_pte_binary

__all__ = [
    "XNNPACK_SCHEMA",
    "PTEFile",
    "compile_graph",
    "decompile_graph",
    "deserialize_pte_binary",
    "schema",
    "serialize_pte_binary",
]
