"""ExecuTorch's reader and writer of finished programs, without its exporter.

The package ``executorch.exir`` imports the exporter, which takes 6 s; the modules below it that know the format need
nothing of that. While they are imported, an empty package stands in its place. A process that exports imports it later.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Final

import executorch

FOLDER: Final = Path(next(iter(executorch.__path__)))

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
    "PTEFile",
    "compile_graph",
    "decompile_graph",
    "deserialize_pte_binary",
    "schema",
    "serialize_pte_binary",
    "xnnpack_schema",
]


def xnnpack_schema(folder: str) -> str:
    """Write the format of an XNNPACK delegate's graph into ``folder``, with floats as their bits; return its path.

    flatc writes six digits of a float, and neither it nor JSON reads what the other writes for infinity.
    """
    own = FOLDER / "backends/xnnpack/serialization/schema.fbs"
    written = Path(folder) / own.name
    written.write_text(re.sub(r"\bfloat\b(?=\]?;)", "uint", own.read_text()))
    return str(written)
