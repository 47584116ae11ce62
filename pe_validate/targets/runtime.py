"""The interface of every runtime: one image in, one feature tensor out, both checked."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Array
from pe_validate.data.tensors import OUTPUT_NAME, TensorSpec
from pe_validate.system.errors import RunError


class Runtime(ABC):
    """A loaded artifact that is ready to run.

    Subclasses set ``producer`` (name and version of the runtime), ``inputs`` and ``outputs`` (as the artifact
    declares them), and implement :meth:`_run`. ``output_name`` selects one of several outputs; ``notes`` are
    observations from the last run.
    """

    output_name: str | None = None
    notes: tuple[str, ...] = ()
    producer: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, image: NDArray[np.generic]) -> Array:
        """Return the float32 features of one float32 image, ``[1, 3, height, width]``.

        ``image`` may have any memory layout: it is made contiguous, because ExecuTorch ignores strides. It is rounded
        if the artifact declares float16.

        Raises:
            RunError: the image or the output does not match what the artifact declares.
        """
        spec = self.image_spec()
        if not spec.accepts(image.shape) or image.dtype != np.float32:
            raise RunError(f"{self.producer} was given {image.dtype}{list(image.shape)}; the artifact declares {spec}.")
        given = image.astype(spec.dtype, copy=False)
        # Contiguous, aligned and writable, copied only if needed: PyTorch warns about read-only arrays.
        features = self._run(np.require(given, given.dtype, ["C", "A", "W"]))
        declared = self.features_spec()
        if not declared.accepts(features.shape):
            raise RunError(f"{self.producer} answered with {list(features.shape)}; the artifact declares {declared}.")
        return np.array(features, dtype=np.float32)  # a copy: runtimes reuse their output buffers

    def image_spec(self) -> TensorSpec:
        """Return the specification of the only input.

        Raises:
            RunError: the artifact does not take exactly one float32 or float16 image.
        """
        if len(self.inputs) != 1 or self.inputs[0].dtype not in ("float32", "float16"):
            listed = ", ".join(map(str, self.inputs)) or "nothing"
            raise RunError(f"The artifact takes {listed}; one float32 or float16 image was expected.")
        return self.inputs[0]

    def features_spec(self) -> TensorSpec:
        """Return the specification of ``output_name``, or by default of the output ``features`` or the only one.

        Raises:
            RunError: there is no such output, or several and none is named ``features``.
        """
        wanted = self.output_name or OUTPUT_NAME
        named = [spec for spec in self.outputs if spec.name == wanted]
        if not named and self.output_name is None and len(self.outputs) == 1:
            named = list(self.outputs)
        if len(named) != 1:
            listed = ", ".join(map(str, self.outputs)) or "nothing"
            raise RunError(f"The artifact gives {listed}; say which one is to be validated.")
        return named[0]

    @abstractmethod
    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        """Compute the features of a contiguous image of the declared shape and type."""
