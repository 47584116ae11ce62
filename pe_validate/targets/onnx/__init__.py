"""ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import FUSED, Recipe
from pe_validate.targets.base import Example, Target, Values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pe_validate.targets.runtime import Runtime


class OnnxTarget(Target):
    """One self-contained ``.onnx`` file, exported through ``torch.export``."""

    name = "onnx"
    suffix = ".onnx"
    title = "ONNX"
    precisions: ClassVar[Mapping[str, Recipe]] = {"fp32": Recipe(FUSED)}
    recommended = ("fp32",)
    writers = ("pe_validate.targets.onnx.write", "onnxscript")
    tools = ("torch", "onnx", "onnx-ir", "onnxscript")
    replayed = True
    timed = True
    baseline = "fp32"

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """See :func:`~pe_validate.targets.onnx.write.write_onnx`."""
        from pe_validate.targets.onnx.write import write_onnx

        write_onnx(module, example, path, metadata)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Open an inference session."""
        from pe_validate.targets.onnx.runtime import OnnxRuntime

        return OnnxRuntime(path, threads)

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Declare the intermediate values as outputs, and run the graph."""
        from pe_validate.targets.intermediates import in_a_child
        from pe_validate.targets.onnx.intermediates import intermediates

        return in_a_child(intermediates, path, image, sizes)

    def tensors(self, path: Path, names: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
        """Return the initializers."""
        from pe_validate.targets.onnx.tensors import initializers

        return initializers(path, names)

    def rivals(self, path: Path, threads: int) -> Mapping[str, Runtime]:
        """Return ONNX Runtime's own dynamic int8 quantisation of the file."""
        from pe_validate.targets.onnx.runtime import dynamic_int8

        return {f"{self.name}/int8": dynamic_int8(path, threads)}


ONNX: Final = OnnxTarget()
