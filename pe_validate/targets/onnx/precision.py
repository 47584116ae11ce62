"""The types in which an ``.onnx`` file stores its weights and computes, read without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from pe_validate.data.structure import Structure, Weight
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError

LAYERS: Final = {
    "MatMul": "linear",
    "Gemm": "linear",
    "MatMulInteger": "linear",
    "DynamicQuantizeMatMul": "linear",
    "MatMulIntegerToFloat": "linear",
    "QLinearMatMul": "linear",
    "QGemm": "linear",
    "MatMulNBits": "linear",
    "Conv": "convolution",
    "ConvInteger": "convolution",
    "QLinearConv": "convolution",
}
"""Operators that multiply by a matrix of weights."""

READ_TIMEOUT: Final = 120.0
"""In seconds, for files of gigabytes."""

_PACKED: Final = {"MatMulNBits": "bits", "GatherBlockQuantized": "bits"}
"""Operators whose weights are packed into bytes, with the attribute that says how many bits each has."""


def type_name(number: int) -> str:
    """Return the name of an ONNX type, such as ``float32``."""
    name = onnx.TensorProto.DataType.Name(number).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def structure(path: Path) -> Structure:
    """Return the matrices of a file, by the type in which they are stored, and the number of results of each type.

    Raises:
        RunError: the file cannot be read.
    """
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, ValueError, OSError) as error:
        raise RunError(f"'{path}' is truncated or not an ONNX model; export it again.") from error
    return Structure(weights=tuple(_weights(graph)), results=dict(Counter(_results(graph))))


def _weights(graph: onnx.GraphProto) -> Iterator[Weight]:
    """Yield the constants that a product reads, directly or through operators that only reshape or dequantise."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            stored[node.output[0]] = node.attribute[0].t
    origin = {node.output[0]: node for node in graph.node if node.op_type in _PASSING}
    for node in graph.node:
        if node.op_type not in LAYERS:
            continue
        for name in node.input[:4]:
            while name in origin:
                name = origin[name].input[0]
            tensor = stored.get(name)
            if tensor is not None and prod(tensor.dims) > 1 and (len(tensor.dims) > 1):
                kind = _storage(node, tensor)
                yield Weight(tensor.name, tuple(tensor.dims), kind, 0, LAYERS[node.op_type])
                break


_PASSING: Final = ("DequantizeLinear", "Cast", "Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze")


def _storage(node: onnx.NodeProto, tensor: onnx.TensorProto) -> str:
    packed = next((a.i for a in node.attribute if a.name == _PACKED.get(node.op_type)), 0)
    return f"int{packed}" if packed else type_name(tensor.data_type)


def _results(graph: onnx.GraphProto) -> Iterator[str]:
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type:
            yield type_name(value.type.tensor_type.elem_type)


def isolated_structure(path: Path) -> Structure:
    """Return the :func:`structure` of an untrusted file, read in a child process.

    Raises:
        RunError: the file cannot be read.
    """
    with Child(memory=memory_for(path), preload=("onnx",)) as child:
        try:
            return child.call(structure, READ_TIMEOUT, path)
        except ChildError as error:
            raise RunError(f"The weights of '{path}' cannot be read: {error}.") from error
