"""An ExecuTorch program whose delegate is Core ML: the package inside it runs as any other does."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from executorch.extension.pybindings import _portable_lib as executorch
from numpy.typing import NDArray

from pe_validate.errors import RunError
from pe_validate.export.embedded import unpack
from pe_validate.runtime.base import Reading, Runtime
from pe_validate.runtime.run_mlpackage import CoreMLRuntime
from pe_validate.runtime.run_pte import declared


class CoreMLProgramRuntime(Runtime):
    """The package inside a ``.pte``, executed according to ``reading``, with the interface of the program around it.

    Load it in a child: damaged programs abort the process.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        with TemporaryDirectory(prefix="pe_validate-") as folder:
            try:
                self.inputs, self.outputs = declared(executorch._load_program(str(path)))
                package = unpack(path, Path(folder))
            except RunError:
                raise
            except Exception as error:  # whatever the readers of flatbuffers raise
                raise RunError(f"The Core ML package in '{path}' cannot be read: {error}.") from error
            self._package = CoreMLRuntime(package, reading)
        self.producer = f"{self._package.producer}, from an ExecuTorch program"

    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        features = self._package.run(image)
        self.notes = self._package.notes
        return features.astype(self.features_spec().dtype)
