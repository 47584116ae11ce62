"""ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import FUSED, Recipe
from pe_validate.data.structure import Structure
from pe_validate.system.errors import ExplainError
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
    other_suffixes = (".ort",)
    any_length = True
    title = "ONNX"
    precisions: ClassVar[Mapping[str, Recipe]] = {"fp32": Recipe(FUSED)}
    recommended = ("fp32",)
    writers = ("torch", "pe_validate.targets.onnx.write", "onnxscript")
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

    def structure(self, path: Path) -> Structure:
        """Read the types of the weights and of the results in a child process; a file in ORT format tells none here."""
        from pe_validate.targets.onnx.precision import isolated_structure

        return Structure() if path.suffix in self.other_suffixes else isolated_structure(path)

    def operators(self, path: Path) -> Mapping[str, int]:
        """Count the nodes of the graph by type."""
        import onnx

        return Counter(node.op_type for node in onnx.load(path, load_external_data=False).graph.node)

    def unlisted_precision(self, structure: Structure) -> str | None:
        """Return the type of most weights, or of most results if there are no weights, where it is not float32."""
        values = structure.values_by_storage or structure.results
        most = max(values, key=values.__getitem__, default="float32")
        return None if most == "float32" else f"{most} {'weights' if structure.weights else 'values'}"

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Declare the intermediate values as outputs, and run the graph."""
        if path.suffix in self.other_suffixes:
            raise ExplainError(f"'{path}' is in ORT format, which gives no values inside: explain its .onnx file.")
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
