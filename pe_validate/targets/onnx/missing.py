"""Say why ONNX Runtime refuses a file: what a whole file needs from outside of it, or that the file is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
from google.protobuf.message import DecodeError

from pe_validate.targets.onnx.precision import type_name

OWN_DOMAINS: Final = ("", "ai.onnx", "ai.onnx.ml", "ai.onnx.training", "ai.onnx.preview.training", "com.microsoft")
"""Domains of operators that ONNX, or ONNX Runtime itself, defines."""


def why_refused(path: Path, reason: str) -> str:
    """Return why a file was refused with ``reason``, as the end of a sentence that begins with the file's name."""
    if path.suffix == ".ort":
        return f"it is damaged, or of another version of ONNX Runtime than this one: {reason}"
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, ValueError, OSError):
        model = onnx.ModelProto()
    if not model.graph.node:
        return f"it is truncated or not a model: {reason}"
    needs = _weights_elsewhere(path, model) or _operators_elsewhere(model) or _newer(model) or _kernel(model, reason)
    return f"the file is whole, but {needs or f'not accepted: {reason}'}"


def _weights_elsewhere(path: Path, model: onnx.ModelProto) -> str | None:
    """Name the files with weights that are not where the model says that they are."""
    places = {
        entry.value: None
        for tensor in _tensors(model.graph)
        if tensor.data_location == onnx.TensorProto.EXTERNAL
        for entry in tensor.external_data
        if entry.key == "location"
    }
    folder = path.parent.resolve()
    for place in places:
        found = (folder / place).resolve()
        if not found.is_relative_to(folder):
            return f"its weights are to be read from '{place}', outside of its folder, which is not done: save it anew"
        if not found.exists():
            return f"its weights are in '{place}', which is not beside it: put that file there"
    return None


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("g"):
                yield from _tensors(attribute.g)


def _operators_elsewhere(model: onnx.ModelProto) -> str | None:
    """Name the operators that neither ONNX, nor ONNX Runtime, nor the model itself defines."""
    own = {(function.domain, function.name) for function in model.functions}
    foreign = {
        f"{node.domain}:{node.op_type}": None
        for node in model.graph.node
        if node.domain not in OWN_DOMAINS and (node.domain, node.op_type) not in own
    }
    if not foreign:
        return None
    return f"it uses {', '.join(foreign)}, which a library of custom operators defines: export it without them"


def _newer(model: onnx.ModelProto) -> str | None:
    """Say if the file's format is newer than the installed one."""
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if model.ir_version <= onnx.IR_VERSION and opset <= onnx.defs.onnx_opset_version():
        return None
    return (
        f"its format (IR version {model.ir_version}, opset {opset}) is newer than what is installed (IR version "
        f"{onnx.IR_VERSION}, opset {onnx.defs.onnx_opset_version()}): update onnx and onnxruntime, or export it older"
    )


def _kernel(model: onnx.ModelProto, reason: str) -> str | None:
    """Name the operator without a kernel, and the type for which ONNX Runtime has none."""
    if "NOT_IMPLEMENTED" not in reason:
        return None
    node = next((node for node in model.graph.node if node.name and f"'{node.name}'" in reason), None)
    types = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    types |= {value.name: value.type.tensor_type.elem_type for value in values}
    found = [type_name(types[name]) for name in node.input if types.get(name)] if node else []
    what = f"'{node.op_type}' in {found[0]}" if node and found else "one of its operators"
    return f"ONNX Runtime has no kernel on the CPU for {what}: export it in float32 ({reason})"
