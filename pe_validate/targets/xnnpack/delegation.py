"""Read from a finished ``.pte`` what its delegates compute: delegate calls, operators outside them, arithmetic."""

from __future__ import annotations

import json
import math
import struct
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pe_validate.data.structure import Delegation, Structure
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.programs import COREML_BACKEND, READ_TIMEOUT, READERS, XNNPACK_BACKEND
from pe_validate.targets.xnnpack.constants import stored
from pe_validate.targets.xnnpack.missing import forward_of

if TYPE_CHECKING:
    from executorch.exir.schema import DelegateCall

    from pe_validate.targets.xnnpack.reader import PTEFile

LAYOUT: Final = struct.Struct("<IIIQ")
"""Offsets and sizes of the graph and of the constants in XNNPACK's header (``xnnpack_graph_serialize.py``)."""

LAYOUT_OFFSET: Final = 10
"""Offset of that layout in the header, in bytes."""


def delegation(path: Path) -> Delegation:
    """Count the delegate calls of ``forward``, list the operators outside them, and add up the products inside.

    Raises:
        Exception: the file is not a readable program; call it in a child process, and name the stage there.
    """
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary

    return _delegation(deserialize_pte_binary(path.read_bytes()))


def _delegation(file: PTEFile) -> Delegation:
    from pe_validate.targets.xnnpack.reader import schema

    program = file.program
    plan = forward_of(program)
    calls = [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]
    operators = [plan.operators[call.op_index] for call in calls if isinstance(call, schema.KernelCall)]
    products: Counter[str] = Counter()
    for delegate in plan.delegates:
        payload = program.backend_delegate_data[delegate.processed.index].data
        if delegate.id == XNNPACK_BACKEND:
            products += _products(graph_of(payload))
        elif delegate.id == COREML_BACKEND:
            from pe_validate.targets.pte_coreml.products import package_products  # it loads the evaluator's reader

            products += package_products(payload)
    constants, altered = stored(file)
    return Delegation(
        delegate_calls=sum(isinstance(call, schema.DelegateCall) for call in calls),
        left_over=tuple(f"{op.name}.{op.overload}" if op.overload else op.name for op in operators),
        products=dict(sorted(products.items())),
        backend=plan.delegates[0].id if plan.delegates else "",
        constants=constants,
        altered=altered,
    )


def operators(path: Path) -> Counter[str]:
    """Count the nodes inside XNNPACK's delegates by type, and the kernels outside; to be called in a child process."""
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary

    file = deserialize_pte_binary(path.read_bytes())
    found = Counter(_delegation(file).left_over)
    for delegate in forward_of(file.program).delegates:
        if delegate.id == XNNPACK_BACKEND:
            graph = graph_of(file.program.backend_delegate_data[delegate.processed.index].data)
            found.update(node["xnode_union_type"].removeprefix("XNN") for node in graph["xnodes"])
    return found


def graph_of(payload: bytes) -> dict[str, Any]:
    """Return XNNPACK's graph from a delegate's payload, as JSON in the terms of its ``schema.fbs``.

    Numbers of type float32 are given by their bits.
    """
    from pe_validate.targets.xnnpack.reader import decompile_graph, xnnpack_schema

    offset, size, _, _ = LAYOUT.unpack_from(payload, LAYOUT_OFFSET)
    with tempfile.TemporaryDirectory() as folder:
        graph = Path(folder) / "graph.bin"
        graph.write_bytes(payload[offset : offset + size])
        decompile_graph(folder, xnnpack_schema(folder), str(graph), ["--raw-binary"])
        decoded: dict[str, Any] = json.loads(graph.with_suffix(".json").read_bytes())
    return decoded


def _products(graph: dict[str, Any]) -> Counter[str]:
    """Return the multiply-accumulates by operator and operand types, such as ``linear qdint8 × qcint8``."""
    tensors = [value["xvalue_union"] for value in graph["xvalues"]]
    values = {tensor["id_out"]: tensor for tensor in (t.get("tensor_value", t) for t in tensors)}
    found: Counter[str] = Counter()
    for node in graph["xnodes"]:
        kind, ends = node["xnode_union_type"], node["xnode_union"]
        operands = ends.get("input1_id"), ends.get("filter_id", ends.get("input2_id"))
        if kind not in _MACS:
            continue
        left, right = (values[operand] for operand in operands)
        name, inner = _MACS[kind]
        types = " × ".join(value["datatype"].removeprefix("xnn_datatype_") for value in (left, right))
        found[f"{name} {types}"] += math.prod(values[ends["output_id"]]["dims"]) * inner(right["dims"])
    return found


_MACS: Final[dict[str, tuple[str, Callable[[list[int]], int]]]] = {
    # Multiply-accumulates for each element of the output, from the shape of the right-hand operand.
    "XNNFullyConnected": ("linear", lambda shape: shape[-1]),
    "XNNBatchMatrixMultiply": ("bmm", lambda shape: shape[-2]),
    "XNNConv2d": ("convolution", lambda shape: math.prod(shape[1:])),
}


def structure(path: Path) -> Structure:
    """Return the :func:`delegation` of a file, and how integers for it are made; to be called in a child process."""
    from pe_validate.targets.xnnpack.quantised import quantised
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary

    file = deserialize_pte_binary(path.read_bytes())
    plan = forward_of(file.program)

    def graph_of_call(call: DelegateCall) -> dict[str, Any] | None:
        delegate = plan.delegates[call.delegate_index]
        payload: bytes = file.program.backend_delegate_data[delegate.processed.index].data
        return graph_of(payload) if delegate.id == XNNPACK_BACKEND else None

    return Structure(_delegation(file), quantised=quantised(plan, graph_of_call))


def isolated_structure(path: Path) -> Structure:
    """Return the :func:`structure` of an untrusted file, read in a child process.

    Raises:
        RunError: the file is not a readable program.
    """
    with Child(memory=memory_for(path), preload=READERS) as child:
        try:
            return child.call(structure, READ_TIMEOUT, path)
        except ChildError as error:
            raise RunError(f"The delegates of '{path}' cannot be read: {error}.") from error
