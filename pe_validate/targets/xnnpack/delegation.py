"""What the accelerator took, read from a finished ``.pte``: delegate calls, left-over operators, arithmetic."""

from __future__ import annotations

import json
import math
import re
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any, Final

from pe_validate.data.structure import Delegation
from pe_validate.mil.inspection import inspect
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.pte_coreml import BACKEND
from pe_validate.targets.pte_coreml.embedded import READ_TIMEOUT, READERS, write_package
from pe_validate.targets.xnnpack.constants import stored

LAYOUT: Final = struct.Struct("<IIIQ")
"""Offset and size of the graph, then of the constants, in XNNPACK's header (``xnnpack_graph_serialize.py``)."""

LAYOUT_PLACE: Final = 10
"""Bytes before it."""


def delegation(path: Path) -> Delegation:
    """Count the delegate calls of ``forward``, name the operators that stayed outside, add up the products inside.

    Raises:
        Exception: the file is not a readable program; run it in a child and name the stage there.
    """
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DelegateCall, KernelCall

    file = deserialize_pte_binary(path.read_bytes())
    program = file.program
    plan = next(plan for plan in program.execution_plan if plan.name == "forward")
    calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
    operators = [plan.operators[call.op_index] for call in calls if isinstance(call, KernelCall)]
    products: Counter[str] = Counter()
    for delegate in plan.delegates:
        payload = program.backend_delegate_data[delegate.processed.index].data
        if delegate.id == "XnnpackBackend":
            products += _products(graph_of(payload))
        elif delegate.id == BACKEND:
            products += _package_products(payload)
    constants, altered = stored(file)
    return Delegation(
        delegate_calls=sum(isinstance(call, DelegateCall) for call in calls),
        left_over=tuple(f"{op.name}.{op.overload}" if op.overload else op.name for op in operators),
        products=dict(sorted(products.items())),
        backend=plan.delegates[0].id if plan.delegates else "",
        constants=constants,
        altered=altered,
    )


def graph_of(payload: bytes) -> dict[str, Any]:
    """XNNPACK's graph as JSON, in the words of its ``schema.fbs``."""
    from executorch.backends.xnnpack import serialization
    from executorch.exir._serialize._flatbuffer import _flatc_decompile

    offset, size, _, _ = LAYOUT.unpack_from(payload, LAYOUT_PLACE)
    with tempfile.TemporaryDirectory() as folder:
        schema, graph = Path(folder) / "schema.fbs", Path(folder) / "graph.bin"
        schema.write_bytes((resources.files(serialization) / "schema.fbs").read_bytes())
        graph.write_bytes(payload[offset : offset + size])
        _flatc_decompile(folder, str(schema), str(graph), ["--raw-binary"])
        decoded: dict[str, Any] = json.loads(_UNBOUNDED.sub(r"\1Infinity", graph.with_suffix(".json").read_text()))
    return decoded


_UNBOUNDED: Final = re.compile(r"(?<=: )(-?)inf(?=,?\n)")
"""A bound that an activation such as ReLU does not have, as flatc writes it; Python reads another word."""


def _products(graph: dict[str, Any]) -> Counter[str]:
    """Multiply-accumulates by operator and operand types, such as ``linear qdint8 × qcint8``."""
    tensors = [value["xvalue_union"] for value in graph["xvalues"]]
    values = {tensor["id_out"]: tensor for tensor in (t.get("tensor_value", t) for t in tensors)}
    found: Counter[str] = Counter()
    for node in graph["xnodes"]:
        kind, ends = node["xnode_union_type"], node["xnode_union"]
        operands = ends.get("input1_id"), ends.get("filter_id", ends.get("input2_id"))
        if kind not in _WORK:
            continue
        left, right = (values[operand] for operand in operands)
        name, inner = _WORK[kind]
        types = " × ".join(value["datatype"].removeprefix("xnn_datatype_") for value in (left, right))
        found[f"{name} {types}"] += math.prod(values[ends["output_id"]]["dims"]) * inner(right["dims"])
    return found


def _package_products(payload: bytes) -> Counter[str]:
    """The same of the Core ML package that a payload holds; both operands are of the result's type."""
    with tempfile.TemporaryDirectory() as folder:
        found = inspect(write_package(payload, Path(folder))).products
    pairs = {tuple(key.replace("float", "fp").split()): count for key, count in found.items()}
    return Counter({f"{operator} {dtype} × {dtype}": count for (operator, dtype), count in pairs.items()})


_WORK: Final[dict[str, tuple[str, Callable[[list[int]], int]]]] = {
    # What is multiplied and added for each element of the output, from the shape of the right-hand operand.
    "XNNFullyConnected": ("linear", lambda shape: shape[-1]),
    "XNNBatchMatrixMultiply": ("bmm", lambda shape: shape[-2]),
    "XNNConv2d": ("convolution", lambda shape: math.prod(shape[1:])),
}


def isolated_delegation(path: Path) -> Delegation:
    """:func:`delegation` of a file that someone else made.

    Raises:
        RunError: the file is not a readable program.
    """
    with Child(memory=memory_for(path), preload=READERS) as child:
        try:
            return child.call(delegation, READ_TIMEOUT, path)
        except ChildError as error:
            raise RunError(f"The delegates of '{path}' cannot be read: {error}.") from error
