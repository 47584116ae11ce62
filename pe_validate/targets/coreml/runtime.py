"""Core ML on macOS; elsewhere, and for the `exact` reading of a package, the reference evaluator."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

from pe_validate import mil
from pe_validate.data.outputs import Reading
from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.targets.runtime import Given, Runtime


class CoreMLRuntime(Runtime):
    """An ``.mlpackage``, executed according to ``reading``."""

    def __init__(self, path: Path, reading: Reading, threads: int | None = None) -> None:
        if threads:
            torch.set_num_threads(threads)
        self._program: mil.Program | None = None
        program = mil.load(path, mode="exact" if reading == "native" else reading)
        self.inputs: tuple[TensorSpec, ...] = program.inputs
        self.outputs: tuple[TensorSpec, ...] = program.outputs
        if reading == "native":
            self._predict = _core_ml(path).predict
            self.producer = f"Core ML on the CPU (coremltools {version('coremltools')})"
        else:
            self._program = program
            self._predict = program.predict
            self.producer = f"Core ML reference evaluator, {reading}"

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        answer = self._predict({spec.name: array for spec, array in zip(self.inputs, given, strict=True)})
        overflows = self._program.overflows if self._program else []
        self.notes = (f"the first result beyond float16's range is that of {overflows[0]}",) if overflows else ()
        return [answer[self.outputs[index].name] for index in wanted]


def _core_ml(path: Path):  # type: ignore[no-untyped-def]  # coremltools publishes no types
    import coremltools

    try:
        # Only the CPU computes float32 in float32, and deterministically.
        return coremltools.models.MLModel(str(path), compute_units=coremltools.ComputeUnit.CPU_ONLY)
    except RuntimeError as error:
        raise RunError(f"Core ML cannot compile '{path}': {error}") from error
