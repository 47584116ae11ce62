"""Core ML on macOS; elsewhere, and for the `exact` reading of a package, the reference evaluator."""

from __future__ import annotations

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
from pe_validate.targets.runtime import Runtime

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
        self._unrounded: NDArray[np.generic] | None = None
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

    def features_spec(self) -> TensorSpec:
        """Return the specification of the output to validate, which is an array.

        Raises:
            RunError: it is not, or the base class cannot choose one.
        """
        spec = super().features_spec()
        if spec.dtype in NOT_ARRAYS:
            arrays = [each.name for each in self.outputs if each.dtype not in NOT_ARRAYS]
            raise RunError(
                f"Output '{spec.name}' of '{self._path}' is {NOT_ARRAYS[spec.dtype]}; name an array by --output, such "
                f"as {arrays[0]}."
            )
        return spec

    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        spec, wanted = self.image_spec(), self.features_spec()
        self._unrounded = None
        answer = self._predict({spec.name: as_declared(image, spec)})
        overflows = self._program.overflows if self._program else []
        self.notes = (f"the first result beyond float16's range is that of {overflows[0]}",) if overflows else ()
        return as_array(answer[wanted.name]) if self._unrounded is None else self._unrounded

    def _keep(self, name: str, operator: str, value: torch.Tensor) -> None:
        """Keep the values of an image output, within its range, before they become whole numbers."""
        wanted = self.features_spec()
        if name == wanted.name and wanted.takes_bytes:
            self._unrounded = in_range(value.numpy(), wanted)


def _core_ml(path: Path):  # type: ignore[no-untyped-def]  # coremltools publishes no types
    import coremltools

    try:
        # Only the CPU computes float32 in float32, and deterministically.
        return coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit.CPU_ONLY)
    except RuntimeError as error:
        raise RunError(f"Core ML cannot compile '{path}': {error}") from error
