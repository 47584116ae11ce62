"""The intermediate values of an ``.onnx`` file, read by declaring them as outputs."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from pe_validate.targets.base import Values
from pe_validate.targets.intermediates import is_wanted

_TYPES: Final = {"tensor(float16)": np.float16, "tensor(float)": np.float32, "tensor(double)": np.float64}


def intermediates(path: Path, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
    """Return the floating-point values with one of ``sizes`` elements, by name, in order; runs in a child process."""
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
        taken = session.get_inputs()[0]
        names = [value.name for value in session.get_outputs()]
        order = {name: place for place, name in enumerate(name for node in model.graph.node for name in node.output)}
        values = dict(
            zip(names, session.run(names, {taken.name: image.astype(_TYPES.get(taken.type, image.dtype))}), strict=True)
        )
    return {name: values[name] for name in sorted(values, key=order.__getitem__) if is_wanted(values[name], sizes)}
