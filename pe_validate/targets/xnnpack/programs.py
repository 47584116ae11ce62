"""Modify an ExecuTorch program so that it, and its XNNPACK delegates, also output intermediate values."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.targets.base import Values
from pe_validate.targets.programs import XNNPACK_BACKEND
from pe_validate.targets.xnnpack.delegation import LAYOUT, LAYOUT_OFFSET, graph_of
from pe_validate.targets.xnnpack.missing import forward_of

OUTPUT: Final = 2
"""XNN_VALUE_FLAG_EXTERNAL_OUTPUT of ``xnnpack.h``."""

ALIGNMENT: Final = 16
"""Alignment of planned tensors and of constants, in bytes."""

TYPES: Final = {"xnn_datatype_fp32": 4, "xnn_datatype_fp16": 2}
"""Bytes per element of XNNPACK's floating-point types."""

FLOATS: Final = ("FLOAT", "HALF")
_BYTES: Final = {"FLOAT": 4, "HALF": 2, "INT": 4, "SHORT": 2, "BOOL": 1, "BYTE": 1, "CHAR": 1}
"""Bytes per element of ExecuTorch's types; the others have at most 8."""


def intermediates(path: Path, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
    """Return the floating-point values with one of ``sizes`` elements, by name, in order; runs in a child process."""
    import torch

    from pe_validate.targets.xnnpack.bindings import executorch
    from pe_validate.targets.xnnpack.runtime import declared
    from pe_validate.targets.xnnpack.signature import laid_out

    with tempfile.TemporaryDirectory(prefix="pe_validate-") as folder:
        opened = Path(folder) / "model.pte"
        names = with_outputs(path, opened, sizes)
        program = executorch._load_program(str(opened))
        (wanted,), _ = declared(program, opened)
        answers = program.load_method("forward")([torch.from_numpy(laid_out(image.astype(wanted.dtype), wanted))])
        return {name: answer.float().numpy().copy() for name, answer in zip(names, answers, strict=True)}


def with_outputs(path: Path, target: Path, sizes: frozenset[int]) -> list[str]:
    """Copy ``path`` to ``target`` with every floating-point value of one of ``sizes`` as an output; return the names.

    The program's own outputs come first, then the values inside its XNNPACK delegates, then those between delegates.

    Raises:
        RunError: the program has no ``forward``.
        Exception: the file is not such a program; call it in a child process.
    """
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary, schema, serialize_pte_binary

    file = deserialize_pte_binary(path.read_bytes())
    plan = forward_of(file.program)
    payloads = file.program.backend_delegate_data
    names = [f"output {number}" for number in range(len(plan.outputs))]
    payload_of = {number: payloads[each.processed.index].data for number, each in enumerate(plan.delegates)}
    graphs = {n: graph_of(payload_of[n]) for n, each in enumerate(plan.delegates) if each.id == XNNPACK_BACKEND}
    between = _apart(plan, lambda call: len(graphs[call.delegate_index]["input_ids"]), sizes)
    calls = [i.instr_args for c in plan.chains for i in c.instructions if isinstance(i.instr_args, schema.DelegateCall)]
    for call in calls:
        number = call.delegate_index
        payload, inside = _with_values(plan, call, payload_of[number], graphs[number], sizes)
        plan.delegates[number].processed.index = len(payloads)  # equal delegates share one: each gets its own
        payloads.append(schema.BackendDelegateInlineData(data=payload))
        names += [f"value {number}.{value}" if len(calls) > 1 else f"value {value}" for value in inside]
    plan.outputs += between
    names += [f"value {number} of the program" for number in between]
    target.write_bytes(bytes(serialize_pte_binary(file)))
    return names


def _with_values(
    plan: Any, call: Any, payload: bytes, graph: dict[str, Any], sizes: frozenset[int]
) -> tuple[bytes, list[int]]:
    """Declare a delegate's values as outputs of it and of the program; return its payload, and their numbers."""
    from pe_validate.targets.xnnpack.reader import schema

    names = []
    for value in _computed(graph, sizes):
        value["external_id"], value["flags"] = graph["num_externs"], OUTPUT
        graph["num_externs"] += 1
        graph["output_ids"].append(value["id_out"])
        size = TYPES[value["datatype"]]
        tensor = schema.Tensor(
            scalar_type=schema.ScalarType.FLOAT if size == 4 else schema.ScalarType.HALF,
            storage_offset=0,
            sizes=value["dims"],
            dim_order=list(range(len(value["dims"]))),
            requires_grad=False,
            layout=0,
            data_buffer_idx=0,
            allocation_info=_place(plan, math.prod(value["dims"]) * size),
            shape_dynamism=schema.TensorShapeDynamism.STATIC,
        )
        plan.values.append(schema.EValue(tensor))
        call.args.append(len(plan.values) - 1)
        plan.outputs.append(len(plan.values) - 1)
        names.append(value["id_out"])
    return _with_graph(payload, graph), names


def _apart(plan: Any, inputs_of: Callable[[Any], int], sizes: frozenset[int]) -> list[int]:
    """Give every planned value memory of its own; return the floating-point ones with one of ``sizes`` elements.

    A value that no instruction writes is a view: it keeps the memory of the value that was last written where it lies.
    """
    from pe_validate.targets.xnnpack.reader import schema

    tensors = {number: value.val for number, value in enumerate(plan.values) if isinstance(value.val, schema.Tensor)}
    planned = {number: tensor for number, tensor in tensors.items() if tensor.allocation_info}
    owners = {_spot(planned[number]): planned[number].allocation_info for number in plan.inputs if number in planned}
    placed = dict.fromkeys(plan.inputs, True)
    for call in (instruction.instr_args for chain in plan.chains for instruction in chain.instructions):
        if isinstance(call, schema.DelegateCall):
            written = call.args[inputs_of(call) :]
        else:
            last = plan.values[call.args[-1]].val
            written = last.items if isinstance(last, schema.TensorList) else call.args[-1:]
        for number in (*(n for n in call.args if n not in written), *written):
            if number not in planned or number in placed:
                continue
            tensor, spot = planned[number], _spot(planned[number])
            if number in written:
                owners[spot] = _place(plan, math.prod(tensor.sizes) * _BYTES.get(tensor.scalar_type.name, 8))
            tensor.allocation_info = owners.get(spot, tensor.allocation_info)
            placed[number] = number in written
    return [
        number
        for number, own in placed.items()
        if own and number in planned and number not in {*plan.inputs, *plan.outputs}
        if planned[number].scalar_type.name in FLOATS and math.prod(planned[number].sizes) in sizes
    ]


def _spot(tensor: Any) -> tuple[int, int, int]:
    place = tensor.allocation_info
    return place.memory_id, place.memory_offset_low, place.memory_offset_high


def _place(plan: Any, size: int) -> Any:
    """Return memory for ``size`` bytes that no other value of the program uses."""
    from pe_validate.targets.xnnpack.reader import schema

    if len(plan.non_const_buffer_sizes) < 2:  # the first one is reserved
        plan.non_const_buffer_sizes.append(0)
    place = _aligned(plan.non_const_buffer_sizes[1])
    plan.non_const_buffer_sizes[1] = place + size
    return schema.AllocationDetails(1, place & 0xFFFFFFFF, place >> 32)


def _computed(graph: dict[str, Any], sizes: frozenset[int]) -> list[dict[str, Any]]:
    """Return the floating-point values with one of ``sizes`` elements that are computed and not yet outputs."""
    computed = {node["xnode_union"]["output_id"] for node in graph["xnodes"] if "output_id" in node["xnode_union"]}
    values = [value["xvalue_union"] for value in graph["xvalues"]]
    return [
        value
        for value in values
        if value.get("id_out") in computed
        and value["datatype"] in TYPES
        and not value["flags"]
        and math.prod(value["dims"]) in sizes
    ]


def _with_graph(payload: bytes, graph: dict[str, Any]) -> bytes:
    """Return the payload with its graph replaced."""
    from pe_validate.targets.xnnpack.reader import compile_graph, xnnpack_schema

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "graph.json"
        source.write_text(json.dumps(graph))
        compile_graph(folder, xnnpack_schema(folder), str(source))
        made = next(p for p in Path(folder).iterdir() if p.suffix not in (".json", ".fbs")).read_bytes()
    start, _, constants, count = LAYOUT.unpack_from(payload, LAYOUT_OFFSET)
    end = _aligned(start + len(made))
    header = bytearray(payload[:start])
    LAYOUT.pack_into(header, LAYOUT_OFFSET, start, len(made), end, count)
    return (bytes(header) + made).ljust(end, b"\0") + payload[constants : constants + count]


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
