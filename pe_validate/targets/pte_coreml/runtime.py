"""ExecuTorch programs whose delegate is Core ML: the package inside runs like any other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from pe_validate.data.outputs import Reading
from pe_validate.system.errors import RunError
from pe_validate.targets.coreml.runtime import CoreMLRuntime
from pe_validate.targets.pte_coreml.embedded import unpack
from pe_validate.targets.runtime import Given, Runtime
from pe_validate.targets.xnnpack.bindings import executorch
from pe_validate.targets.xnnpack.runtime import declared


class CoreMLProgramRuntime(Runtime):
    """The package inside a ``.pte``, executed according to ``reading``, with the declared interface of the program.

    Load it in a child process, because damaged programs abort the process.
    """

    def __init__(self, path: Path, reading: Reading, threads: int | None = None) -> None:
        with TemporaryDirectory(prefix="pe_validate-") as folder:
            try:
                self.inputs, self.outputs = declared(executorch._load_program(str(path)), path)
            except RuntimeError as error:
                raise RunError(f"'{path}' cannot be loaded by ExecuTorch: {error}.") from error
            package = unpack(path, Path(folder))
            try:
                self._package = CoreMLRuntime(package, reading, threads)
            except RunError as error:
                raise RunError(str(error).replace(str(package), f"{path}:{package.name}")) from error
        self.producer = f"{self._package.producer}, from an ExecuTorch program"

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        inside = self._package.inputs
        given = [array.astype(spec.dtype, copy=False) for array, spec in zip(given, inside, strict=True)]
        found = self._package.compute(given, wanted)
        self.notes = self._package.notes
        return [array.astype(self.outputs[index].dtype) for array, index in zip(found, wanted, strict=True)]
