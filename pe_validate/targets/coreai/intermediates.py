"""The intermediate values of an ``.aimodel``, read by declaring them as outputs of its function.

The runtime's IntermediateLogger knows values by the places in Python code that a file carries if it was converted with
stack traces. Files of this project carry none, since these are paths of the machine that converted them, and neither
need a stranger's: of such a file coreai-core 1.0.0b3 logs nothing.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Reading
from pe_validate.system.errors import RunError
from pe_validate.targets.base import Values
from pe_validate.targets.coreai.libraries import library
from pe_validate.targets.coreai.program import CONSTANT, ENTRY, OUTPUT, entry, read_program, shape_of, type_of
from pe_validate.targets.coreai.runtime import applied, fed, specialised
from pe_validate.targets.intermediates import is_wanted


def intermediates(path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
    """Return the floating-point values with one of ``sizes`` elements, by name, in order; runs in a child process."""
    program = read_program(path)
    applied(program, reading)
    graph = entry(program)
    if graph is None:
        raise RunError(f"'{path}' has no function '{ENTRY}' to run.")
    names = expose(program, graph, sizes)
    taken = graph.regions[0].blocks[0].arguments[0]
    (name,) = (each.name for each in fed(graph))
    found = asyncio.run(_answers(program, path, {name: image.astype(type_of(taken), copy=False)}))
    return {name: found[name].astype(np.float32) for name in names if is_wanted(found[name], sizes)}


async def _answers(program: Any, path: Path, feed: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    runtime = library("coreai.runtime")
    function = await specialised(path, program)
    found = await function({name: runtime.NDArray(values) for name, values in feed.items()})
    return {name: np.array(value.numpy()) for name, value in found.items()}


def expose(program: Any, graph: Any, sizes: frozenset[int]) -> list[str]:
    """Make the floating-point results with one of ``sizes`` elements outputs of ``graph``; return their names."""
    ir = library("coreai._compiler.ir")
    with program._module._mlir_module.context, ir.Location.unknown():
        operations = [each.operation for each in graph.regions[0].blocks[0].operations]
        last = operations[-1]
        values = [
            (f"{operation.name.removeprefix('coreai.')}_{number}", result)
            for number, operation in enumerate(operations[:-1])
            if operation.name != CONSTANT
            for result in operation.results
            if type_of(result).startswith("float") and int(np.prod(shape_of(result))) in sizes
        ]
        results = [*last.operands, *(value for _, value in values)]
        ir.Operation.create(OUTPUT, operands=results, ip=ir.InsertionPoint(last))
        last.erase()
        declared = ir.FunctionType(ir.TypeAttr(graph.attributes["function_type"]).value)
        kinds = [value.type for value in results]
        graph.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(declared.inputs, kinds))
        named = [ir.DictAttr.get({"coreai.name": ir.StringAttr.get(name)}) for name, _ in values]
        graph.attributes["res_attrs"] = ir.ArrayAttr.get([*graph.attributes["res_attrs"], *named])
    return [name for name, _ in values]
