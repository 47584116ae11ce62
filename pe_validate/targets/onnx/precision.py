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
from pe_validate.data.tensors import Quantised
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

INTEGERS: Final = ("uint8", "int8", "uint16", "int16")
"""Types of inputs that may stand for fractions."""

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
    weights, results = tuple(_weights(graph)), dict(Counter(_results(graph)))
    return Structure(weights=weights, results=results, quantised=_quantised(graph))


def _quantised(graph: onnx.GraphProto) -> Quantised | None:
    """Return how the integers of the only input are made, if all that reads them is DequantizeLinear by one scale."""
    stored = _stored(graph)
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) != 1 or type_name(inputs[0].type.tensor_type.elem_type) not in INTEGERS:
        return None
    readers = [node for node in graph.node if inputs[0].name in node.input]
    numbers = {(*node.input[1:3], "")[:2] for node in readers if node.op_type == "DequantizeLinear"}
    if len(numbers) != 1 or any(node.op_type != "DequantizeLinear" for node in readers):
        return None
    scale, zero = (stored.get(name) for name in numbers.pop())
    if scale is None or prod(scale.dims) != 1:
        return None
    found = int(onnx.numpy_helper.to_array(zero).item()) if zero is not None else 0
    dtype = type_name(inputs[0].type.tensor_type.elem_type)
    return Quantised(float(onnx.numpy_helper.to_array(scale).item()), found, dtype)


def _weights(graph: onnx.GraphProto) -> Iterator[Weight]:
    """Yield the constants that a product reads, directly or through operators that only reshape or dequantise."""
    stored = _stored(graph)
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


def _stored(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    """Return the constants of a graph, by name."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            stored[node.output[0]] = node.attribute[0].t
    return stored


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
