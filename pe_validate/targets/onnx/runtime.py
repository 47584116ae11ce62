"""ONNX Runtime on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as state

from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.runtime import Given, Runtime

LOAD_ERRORS = (
    state.Fail,
    state.InvalidArgument,
    state.InvalidGraph,
    state.InvalidProtobuf,
    state.NoModel,
    state.NoSuchFile,
    state.NotImplemented,
    state.RuntimeException,
)
"""Every exception that ONNX Runtime raises for a file that it cannot use."""

_DTYPES = {"float": "float32", "double": "float64"}
"""Types that ONNX calls otherwise than NumPy."""


class OnnxRuntime(Runtime):
    """An ``.onnx`` file in an inference session."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads:
            options.intra_op_num_threads = threads
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except LOAD_ERRORS as error:
            reason = " ".join(str(error).split()).rstrip(".")  # some of its messages end in a line break
            from pe_validate.targets.onnx.missing import why_refused

            raise RunError(f"'{path}' cannot be loaded by ONNX Runtime: {why_refused(path, reason)}.") from error
        self.producer = f"ONNX Runtime {onnxruntime.__version__}"
        self.inputs = tuple(_spec(value) for value in self._session.get_inputs())
        self.outputs = tuple(_spec(value) for value in self._session.get_outputs())

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        names = [self.outputs[index].name for index in wanted]
        feed = {spec.name: array for spec, array in zip(self.inputs, given, strict=True)}
        found: list[NDArray[np.generic]] = self._session.run(names, feed)
        return found


def _spec(value: onnxruntime.NodeArg) -> TensorSpec:
    shape = tuple(axis if isinstance(axis, int) else -1 for axis in value.shape)
    dtype = value.type.removeprefix("tensor(").removesuffix(")")
    return TensorSpec(value.name, shape, _DTYPES.get(dtype, dtype))


def dynamic_int8(path: Path, threads: int) -> OnnxRuntime:
    """Quantise a file with ONNX Runtime (int8 weights per channel, uint8 activations at run time) and open it."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        quantised = Path(folder) / path.name
        with quiet_libraries():  # it suggests preprocessing that an exported graph does not need
            quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, per_channel=True)
        return OnnxRuntime(quantised, threads)
