"""The Core ML reference evaluator: runs a saved ``.mlpackage`` where Core ML does not exist.

``load`` reads only the package's own files (the protobuf and ``weights/weight.bin``), nothing from the conversion.
``Program.predict`` executes the ML Program (MIL) with torch on the CPU. Operators follow Apple's MIL operator
reference, https://apple.github.io/coremltools/source/coremltools.converters.mil.mil.ops.defs.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pe_validate.mil.program import Mode, Program, Trace, load

__all__ = ["Mode", "Program", "Trace", "load"]


def __getattr__(name: str) -> object:
    if name not in __all__:  # reading a package without running it should not load the operators
        raise AttributeError(f"module 'pe_validate.mil' has no attribute '{name}'")
    from pe_validate.mil import program

    return getattr(program, name)
