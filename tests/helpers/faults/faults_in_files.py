"""Finished files that a tool has spoilt, or bytes that changed on their way."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from planting import MODEL, fault

from pe_validate.case import Case
from pe_validate.mil.package import Package
from pe_validate.models.registry import load_model
from pe_validate.targets.recipes import lowered

ONNX, PROGRAM, PACKAGE = ("onnx/fp32",), ("pte/fp32",), ("mlpackage/fp16",)


def edited(path: Path, edit: Callable[[Any], None]) -> None:
    model = onnx.load(path)
    edit(model.graph)
    onnx.save(model, path)


def node(graph: Any, name: str) -> Any:
    return next(found for found in graph.node if name in found.output)


def initializer(graph: Any, name: str) -> Any:
    return next(found for found in graph.initializer if found.name == name)


@fault("file", "block 0 MLP", kinds=ONNX)
def onnx_gelu_made_approximate(path: Path) -> None:
    """An optimiser replaced one GELU by its tanh approximation."""

    def approximate(graph: Any) -> None:
        del node(graph, "gelu").attribute[:]
        node(graph, "gelu").attribute.append(helper.make_attribute("approximate", "tanh"))

    edited(path, approximate)


@fault("file", "block 1 attention", kinds=ONNX)
def onnx_initializers_exchanged(path: Path) -> None:
    """Two matrices of the same shape were stored under each other's name."""

    def exchange(graph: Any) -> None:
        first, second = (initializer(graph, f"encoder.block{i}.attention.value.weight") for i in (1, 4))
        first.name, second.name = second.name, first.name

    edited(path, exchange)


@fault("file", "block 2 MLP", kinds=ONNX)
def onnx_residual_bypassed(path: Path) -> None:
    """A graph surgeon left out one addition to the residual stream."""

    def bypass(graph: Any) -> None:
        layer = next(n for n in graph.node if "encoder.block2.contract.weight" in n.input)
        addition = next(n for n in graph.node if layer.output[0] in n.input)
        kept = next(name for name in addition.input if name != layer.output[0])
        addition.op_type, addition.input[:] = "Identity", [kept]

    edited(path, bypass)


@fault("file", kinds=ONNX)
def onnx_batch_element_0_repeated(path: Path) -> None:
    """The file takes any batch, computes its first image, and repeats the answer."""

    def repeat(graph: Any) -> None:
        for value in (graph.input[0], graph.output[0]):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
        for name, values in (("zero", [0]), ("one", [1])):
            graph.initializer.append(numpy_helper.from_array(np.array(values), name))
        graph.node.insert(0, helper.make_node("Slice", ["image", "zero", "one", "zero"], ["first"]))
        for reader in list(graph.node)[1:]:
            reader.input[:] = ["first" if name == "image" else name for name in reader.input]
        node(graph, "features").output[:] = ["answer"]
        graph.node.append(helper.make_node("Shape", ["image"], ["batch"], end=1))
        graph.node.append(helper.make_node("Concat", ["batch", "one"], ["repeats"], axis=0))
        graph.node.append(helper.make_node("Tile", ["answer", "repeats"], ["features"]))

    edited(path, repeat)


@fault("file", "block 3 attention", kinds=ONNX)
def onnx_softmax_over_the_wrong_axis(path: Path) -> None:
    """One attention is normalised over its queries."""

    def turn(graph: Any) -> None:
        softmax = next(n for i, n in enumerate(m for m in graph.node if m.op_type == "Softmax") if i == 3)
        del softmax.attribute[:]
        softmax.attribute.append(helper.make_attribute("axis", 1))

    edited(path, turn)


@fault("file", "block 5 MLP", kinds=ONNX)
def onnx_one_exponent_bit_flipped(path: Path) -> None:
    """One bit of one weight is not what was written."""

    def flip(graph: Any) -> None:
        tensor = initializer(graph, "encoder.block5.contract.weight")
        values = numpy_helper.to_array(tensor).copy()
        values.view(np.uint32).flat[1234] ^= 1 << 29
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    edited(path, flip)


@fault("file", kinds=ONNX)
def onnx_quantised_on_the_way(path: Path) -> None:
    """A deployment script ran dynamic quantisation over the float32 file."""
    from onnxruntime.quantization import quantize_dynamic

    quantize_dynamic(path, path)


def rewritten(path: Path, edit: Callable[[Any], None]) -> None:
    """Change the program of a package; ``edit`` is given its operations."""
    specification = Package(path).specification()
    function = specification.mlProgram.functions["main"]
    edit(function.block_specializations[function.opset].operations)
    (path / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(specification.SerializeToString())


def making(operations: Any, name: str) -> Any:
    return next(found for found in operations if found.outputs[0].name == name)


def constant(operations: Any, name: str) -> Any:
    return making(operations, name).attributes["val"]


def argument(operations: Any, kind: str, name: str, number: int) -> Any:
    """The constant behind an argument of one of the operations of a kind."""
    found = [operation for operation in operations if operation.type == kind][number]
    return constant(operations, found.inputs[name].arguments[0].name)


@fault("file", "block 2 MLP", kinds=PACKAGE)
def mil_gelu_made_approximate(path: Path) -> None:
    """One GELU of the program is its tanh approximation."""

    def approximate(operations: Any) -> None:
        mode = argument(operations, "gelu", "mode", 2).immediateValue.tensor.strings
        mode.values[:] = ["TANH_APPROXIMATION"]

    rewritten(path, approximate)


@fault("file", "block 1 attention", kinds=PACKAGE)
def mil_weights_exchanged(path: Path) -> None:
    """Two matrices of the same shape point at each other's values."""

    def exchange(operations: Any) -> None:
        names = [f"encoder_block{i}_attention_out_weight_to_fp16" for i in (1, 3)]
        first, second = (constant(operations, name).blobFileValue for name in names)
        first.offset, second.offset = second.offset, first.offset

    rewritten(path, exchange)


@fault("file", "block 4 MLP", kinds=PACKAGE)
def mil_bias_left_out(path: Path) -> None:
    """One linear operation lost its bias."""

    def leave_out(operations: Any) -> None:
        wanted = "encoder_block4_expand_weight_to_fp16"
        layer = next(o for o in operations if o.type == "linear" and o.inputs["weight"].arguments[0].name == wanted)
        del layer.inputs["bias"]

    rewritten(path, leave_out)


@fault("file", "block 0 attention", kinds=PACKAGE)
def mil_cosines_and_sines_exchanged(path: Path) -> None:
    """The tables of the rotation are in each other's place."""

    def exchange(operations: Any) -> None:
        names = [f"encoder_block0_attention_rope_{table}_to_fp16" for table in ("cos", "sin")]
        first, second = (constant(operations, name).blobFileValue for name in names)
        first.offset, second.offset = second.offset, first.offset

    rewritten(path, exchange)


@fault("file", "block 3 attention", kinds=PACKAGE)
def mil_softmax_over_the_wrong_axis(path: Path) -> None:
    """One attention is normalised over its heads."""

    def turn(operations: Any) -> None:
        softmax = [operation for operation in operations if operation.type == "softmax"][3]
        axis = type(making(operations, softmax.inputs["axis"].arguments[0].name))()
        axis.CopyFrom(making(operations, softmax.inputs["axis"].arguments[0].name))
        axis.outputs[0].name = "wrong_axis"
        axis.attributes["val"].immediateValue.tensor.ints.values[:] = [0]
        operations.insert(0, axis)
        softmax.inputs["axis"].arguments[0].name = "wrong_axis"

    rewritten(path, turn)


def blob(path: Path, operations: Any, name: str, attribute: str, edit: Callable[[NDArray[np.uint8]], None]) -> None:
    """Change the bytes of a constant of a package in the file of its weights."""
    offset = making(operations, name).attributes[attribute].blobFileValue.offset
    file = path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    content = bytearray(file.read_bytes())
    length, start = struct.unpack_from("<QQ", content, offset + 8)
    edit(np.frombuffer(content, np.uint8, length, start))
    file.write_bytes(content)


@fault("file", "block 0 attention", kinds=("mlpackage/int8",))
def mil_zero_point_off_by_one(path: Path) -> None:
    """Int8 weights are read with a zero point that is one too high; layers of one width store theirs once."""

    def raise_it(points: NDArray[np.uint8]) -> None:
        points += 1

    name = "encoder_block3_attention_value_weight_cast_fp16"
    rewritten(path, lambda operations: blob(path, operations, name, "zero_point", raise_it))


@fault("file", "block 1 MLP", kinds=("mlpackage/int8-palette",))
def mil_palette_moved_by_one(path: Path) -> None:
    """Every weight of one layer is its neighbour in the palette."""

    def move(palette: NDArray[np.uint8]) -> None:
        palette[:] = np.roll(palette, 2)  # bytes of one float16

    name = "encoder_block1_expand_weight_cast_fp16"
    rewritten(path, lambda operations: blob(path, operations, name, "lut", move))


def spliced(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert content.count(old) == 1, content.count(old)
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))


def graph_of(precision: str) -> Any:
    return lowered(load_model(MODEL), Case(MODEL, "pte", precision))


@fault("file", "block 1 MLP", kinds=PROGRAM)
def pte_a_page_of_zeros(path: Path) -> None:
    """A download lost four kilobytes of a matrix."""
    weight = graph_of("fp32").encoder.block1.expand.weight.numpy().tobytes()
    spliced(path, weight, bytes(4096) + weight[4096:])


@fault("file", "block 2 attention", kinds=PROGRAM)
def pte_constants_exchanged(path: Path) -> None:
    """Two matrices of the same shape are in each other's place."""
    first, second = (graph_of("fp32").encoder[i].attention.value.weight.numpy().tobytes() for i in (4, 6))
    spliced(path, first, second[::-1])
    spliced(path, second, first)
    spliced(path, second[::-1], second)


@fault("file", "block 0 attention", kinds=PROGRAM)
def pte_cosine_table_truncated(path: Path) -> None:
    """The second half of the cosines are zero."""
    table = graph_of("fp32").encoder.block0.attention.rope.cos.float().numpy().tobytes()
    spliced(path, table, table[: len(table) // 2] + bytes(len(table) - len(table) // 2))


@fault("file", "block 3 MLP", kinds=("pte/int8",))
def pte_one_int8_scale_doubled(path: Path) -> None:
    """The scale of one output channel in the delegate's data is twice what was computed."""
    scale = graph_of("int8").encoder.block3.contract.weight.scale.flatten().numpy()
    doubled = scale.copy()
    doubled[7] *= 2
    spliced(path, scale.tobytes(), doubled.tobytes())


@fault("file", "block 5 attention", kinds=("pte/int8",))
def pte_int8_weights_shifted_by_a_byte(path: Path) -> None:
    """A matrix is read one byte too early."""
    weight = graph_of("int8").encoder.block5.attention.out.weight.qdata.numpy().tobytes()
    spliced(path, weight, b"\0" + weight[:-1])
