"""The arithmetic of a program's float16, made that of float32 in Apple's own runtime.

``exact`` widens every float16 of a program, so that its graph is computed in float32 with the constants that it stores.
``declared`` does the same and rounds each result to float16 where the program declares one: sums are kept in float32,
as matrix units keep them. The runtime's own float16 rounds every product and every partial sum, in order
(docs/coreai.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from pe_validate.targets.coreai.libraries import library
from pe_validate.targets.coreai.program import CONSTANT, GRAPH, constant_bytes, shape_of

MOVING: Final = frozenset(
    {
        *("coreai.reshape", "coreai.transpose", "coreai.slice", "coreai.concat", "coreai.broadcast_to"),
        *("coreai.broadcast_in_dims", "coreai.expand_dims", "coreai.shrink_dims", "coreai.invoke", CONSTANT),
    }
)
"""Operations that compute nothing: their results are as exact as what they are given."""


def widen(program: Any, *, rounds: bool) -> int:
    """Make every float16 of a program float32; ``rounds`` keeps results rounded. Return the number of its results."""
    ir = library("coreai._compiler.ir")
    module = program._module._mlir_module
    with module.context, ir.Location.unknown():
        found = list(_with_following(module.operation))
        for argument in _arguments(module.operation):
            if wide := _wide(ir, argument.type):
                argument.set_type(wide)
        computed = [(*each, following) for operation, following in found for each in _widened(ir, operation)]
        if rounds:
            for result, half, following in computed:
                _round(ir, result, half, following)
        return len(computed)


def _with_following(operation: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every operation with the one after it in its block; after the last one is None."""
    for region in operation.regions:
        for block in region.blocks:
            listed = [each.operation for each in block.operations]
            yield from zip(listed, [*listed[1:], None], strict=True)
            for each in listed:
                yield from _with_following(each)


def _arguments(operation: Any) -> Iterator[Any]:
    for region in operation.regions:
        for block in region.blocks:
            yield from block.arguments
            for each in block.operations:
                yield from _arguments(each.operation)


def _wide(ir: Any, kind: Any) -> Any | None:
    """Return the type with float32 in place of float16, or None if it has none."""
    if not ir.RankedTensorType.isinstance(kind):
        return None
    ranked = ir.RankedTensorType(kind)
    if not ir.F16Type.isinstance(ranked.element_type):
        return None
    return ir.RankedTensorType.get(ranked.shape, ir.F32Type.get(), ranked.encoding)


def _widened(ir: Any, operation: Any) -> list[tuple[Any, Any]]:
    """Widen an operation; return its results that were computed in float16, each with the type that it had."""
    if operation.name == CONSTANT and _wide(ir, operation.results[0].type):
        values = constant_bytes(operation).view(np.float16).reshape(shape_of(operation.results[0]))
        operation.attributes["value"] = ir.DenseElementsAttr.get(np.array(values, np.float32, order="C"))
    if operation.name == GRAPH:
        declared = ir.FunctionType(ir.TypeAttr(operation.attributes["function_type"]).value)
        sides = ([_wide(ir, kind) or kind for kind in side] for side in (declared.inputs, declared.results))
        operation.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(*sides))
    computed = []
    for result in operation.results:
        half = result.type
        if wide := _wide(ir, half):
            result.set_type(wide)
            if operation.name not in MOVING:
                computed.append((result, half))
    return computed


def _round(ir: Any, result: Any, half: Any, following: Any) -> None:
    """Convert a result to float16 and back, before the operation that follows, for all that read it."""
    place = ir.InsertionPoint(following)
    down = ir.Operation.create("coreai.cast", results=[half], operands=[result], ip=place)
    up = ir.Operation.create("coreai.cast", results=[result.type], operands=[down.results[0]], ip=place)
    result.replace_all_uses_except(up.results[0], down)
