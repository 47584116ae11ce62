"""How a program makes numbers of the integers that its only input takes, read from what reads that input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from pe_validate.data.tensors import Quantised

if TYPE_CHECKING:
    from executorch.exir.schema import DelegateCall, ExecutionPlan

TYPES: Final = {"BYTE": "uint8", "CHAR": "int8", "SHORT": "int16"}
"""ExecuTorch's integer types that may stand for fractions."""

DEQUANTISE: Final = "quantized_decomposed::dequantize_per_tensor"

Numbers = tuple[float, int]
"""Scale and zero point."""


def quantised(plan: ExecutionPlan, graph_of_call: Callable[[DelegateCall], dict[str, Any] | None]) -> Quantised | None:
    """Return how the integers of the only input are made, if all that reads them does so by one scale.

    ``graph_of_call`` returns the graph of a call's delegate, or None if it is not XNNPACK's.
    """
    if len(plan.inputs) != 1:
        return None
    (given,) = plan.inputs
    dtype = TYPES.get(getattr(getattr(plan.values[given].val, "scalar_type", None), "name", ""))
    found = set(_read(plan, given, graph_of_call)) if dtype else set()
    numbers = found.pop() if len(found) == 1 else None
    return Quantised(*numbers, dtype) if numbers and dtype else None


def _read(
    plan: ExecutionPlan, given: int, graph_of_call: Callable[[DelegateCall], dict[str, Any] | None]
) -> Iterator[Numbers | None]:
    """Yield what each reader of a value takes its integers for; None where it takes them as they are."""
    from pe_validate.targets.xnnpack.reader import schema

    for call in (instruction.instr_args for chain in plan.chains for instruction in chain.instructions):
        if isinstance(call, schema.DelegateCall) and given in call.args:
            graph = graph_of_call(call)
            yield _declared(graph, call.args.index(given)) if graph else None
        elif isinstance(call, schema.KernelCall) and given in call.args[:-1]:  # the last one is written
            numbers: list[Any] = [plan.values[place].val for place in call.args[1:3]]
            known = plan.operators[call.op_index].name == DEQUANTISE
            known = known and [type(each) for each in numbers] == [schema.Double, schema.Int]
            yield (float(numbers[0].double_val), int(numbers[1].int_val)) if known else None


def _declared(graph: dict[str, Any], place: int) -> Numbers | None:
    """Return scale and zero point of an external value of XNNPACK's graph."""
    for value in (each["xvalue_union"] for each in graph["xvalues"]):
        if value.get("tensor_value", {}).get("external_id") == place and value["quant_params_type"] == "PerTensorQuant":
            numbers = value["quant_params"]
            return float(np.uint32(numbers["scale"]).view(np.float32)), numbers["zero_point"]
    return None
