"""Core ML on macOS; elsewhere, and for the `exact` reading of a package, the reference evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from pe_validate import mil
from pe_validate.data.outputs import Reading
from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.targets.coreml.pictures import as_array, as_declared, in_range
from pe_validate.targets.runtime import Given, Runtime

NOT_ARRAYS: Final = {
    "string": "a class label",
    "int64": "a number, such as a class label",
    "dictionary": "a dictionary of probabilities by class",
}
"""Types of outputs that are no arrays, in words."""


class CoreMLRuntime(Runtime):
    """An ``.mlpackage``, executed according to ``reading``."""

    def __init__(self, path: Path, reading: Reading, threads: int | None = None) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._path = path
        self._unrounded: dict[str, NDArray[np.generic]] = {}
        self._program: mil.Program | None = None
        program = mil.load(path, mode="exact" if reading == "native" else reading)
        self.inputs: tuple[TensorSpec, ...] = program.inputs
        self.outputs: tuple[TensorSpec, ...] = program.outputs
        if all(spec.dtype in NOT_ARRAYS for spec in self.outputs):
            given = " and ".join(f"'{spec.name}' ({NOT_ARRAYS[spec.dtype]})" for spec in self.outputs)
            raise RunError(
                f"'{path}' is a classifier: it gives {given}, and no array to compare with the model's; convert it "
                "again without classifier_config."
            )
        if reading == "native":
            self._predict = _core_ml(path).predict
            self.producer = f"Core ML on the CPU (coremltools {version('coremltools')})"
        else:
            self._program = program
            self._predict = partial(program.predict, trace=self._keep)
            self.producer = f"Core ML reference evaluator, {reading}"

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`.

        Raises:
            RunError: an output that is wanted is no array.
        """
        for index in wanted:
            self._require_array(self.outputs[index])
        self._unrounded.clear()
        named = {s.name: as_declared(values, s) for s, values in zip(self.inputs, given, strict=True)}
        answer = self._predict(named)
        overflows = self._program.overflows if self._program else []
        self.notes = (f"the first result beyond float16's range is that of {overflows[0]}",) if overflows else ()
        names = [self.outputs[index].name for index in wanted]
        return [self._unrounded[name] if name in self._unrounded else as_array(answer[name]) for name in names]

    def _require_array(self, spec: TensorSpec) -> None:
        if spec.dtype in NOT_ARRAYS:
            arrays = [each.name for each in self.outputs if each.dtype not in NOT_ARRAYS]
            raise RunError(
                f"Output '{spec.name}' of '{self._path}' is {NOT_ARRAYS[spec.dtype]}; name an array by --output, such "
                f"as {arrays[0]}."
            )

    def _keep(self, name: str, operator: str, value: torch.Tensor) -> None:
        """Keep the values of an image output, within its range, before they become whole numbers."""
        spec = next((each for each in self.outputs if each.name == name and each.takes_bytes), None)
        if spec:
            self._unrounded[name] = in_range(value.numpy(), spec)


def _core_ml(path: Path):  # type: ignore[no-untyped-def]  # coremltools publishes no types
    import coremltools

    try:
        # Only the CPU computes float32 in float32, and deterministically.
        return coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit.CPU_ONLY)
    except RuntimeError as error:
        raise RunError(f"Core ML cannot compile '{path}': {error}") from error
