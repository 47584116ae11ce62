"""Every intermediate value of an artifact, for one image: ONNX and ExecuTorch are given more outputs, MIL is traced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Reading
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import ExplainError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.pte_coreml.embedded import embedded

Values = dict[str, NDArray[np.float32]]

TIMEOUT: Final = 600.0


def intermediates(
    path: Path, target: str, reading: Reading, image: NDArray[np.float32], sizes: frozenset[int]
) -> Values:
    """Floating-point values of ``path`` by name, in the order in which they are computed, of so many elements.

    The artifact runs in a child process.

    Raises:
        ExplainError: it cannot be taken apart, or does not run any more when it is.
    """
    with Child(memory=memory_for(path)) as child:
        try:
            if target == "pte-coreml":
                with embedded(path) as package:
                    return child.call(_of_package, TIMEOUT, package, reading, image, sizes)
            read: Callable[..., Values] = {"onnx": _of_onnx, "pte": _of_program, "mlpackage": _of_package}[target]
            return child.call(read, TIMEOUT, path, reading, image, sizes)
        except ChildError as error:
            raise ExplainError(f"The intermediate values of '{path}' cannot be read: {error}.") from error


def _kept(value: Any, sizes: frozenset[int]) -> bool:
    return value.dtype.kind == "f" and value.size in sizes


def _of_onnx(path: Path, reading: Reading, image: NDArray[np.float32], sizes: frozenset[int]) -> Values:
    import onnx
    import onnxruntime

    model = onnx.load(path)
    declared = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in declared:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    with TemporaryDirectory(prefix="pe_validate-") as folder:
        opened = Path(folder) / "model.onnx"
        onnx.save(model, opened)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(str(opened), options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_outputs()]
        order = {name: place for place, name in enumerate(name for node in model.graph.node for name in node.output)}
        values = dict(zip(names, session.run(names, {session.get_inputs()[0].name: image}), strict=True))
    return {name: values[name] for name in sorted(values, key=order.__getitem__) if _kept(values[name], sizes)}


def _of_package(path: Path, reading: Reading, image: NDArray[np.float32], sizes: frozenset[int]) -> Values:
    from pe_validate import mil

    program = mil.load(path, mode="exact" if reading == "exact" else "declared")
    values: Values = {}

    def keep(name: str, operator: str, value: Any) -> None:
        if value.is_floating_point() and value.numel() in sizes:
            values[name] = value.float().numpy().copy()

    program.predict({program.inputs[0].name: image.astype(program.inputs[0].dtype)}, trace=keep)
    return values


def _of_program(path: Path, reading: Reading, image: NDArray[np.float32], sizes: frozenset[int]) -> Values:
    from executorch.extension.pybindings import _portable_lib

    from pe_validate.targets.xnnpack.programs import with_outputs
    from pe_validate.targets.xnnpack.runtime import declared

    with TemporaryDirectory(prefix="pe_validate-") as folder:
        opened = Path(folder) / "model.pte"
        names = with_outputs(path, opened, sizes)
        import torch

        program = _portable_lib._load_program(str(opened))
        (wanted,), _ = declared(program)
        answers = program.load_method("forward")([torch.from_numpy(image.astype(wanted.dtype))])
        return {name: answer.float().numpy().copy() for name, answer in zip(names, answers, strict=True)}
