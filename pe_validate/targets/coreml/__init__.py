"""Core ML packages, run by Core ML on macOS and by the reference evaluator elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import FUSED, Images, Recipe, Scheme
from pe_validate.data.structure import Structure
from pe_validate.targets.base import Example, Purpose, Source, Target, Values
from pe_validate.targets.schemes import ROUNDED, round_constants
from pe_validate.targets.storage import precision_by_storage, storage_without_precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pe_validate.targets.coreml.compression import Compression
    from pe_validate.targets.runtime import Runtime


def best_reading() -> Reading:
    """Return the reading closest to a device: Core ML itself on macOS, else the evaluator with declared rounding."""
    return "native" if sys.platform == "darwin" else "declared"


def _compressed(compression: Compression) -> Scheme:
    def compress(module: Any, images: Images) -> Any:
        from pe_validate.targets.coreml.compression import compress_weights

        return compress_weights(round_constants(module), compression)

    return Scheme(compression, compress, slow="palette" in compression, finite=True)


STORAGE: Final = {
    "fp32": "float32",
    "fp16": "float16",
    "int8": "int8, a scale for each channel",
    "int8-palette": "8-bit palette",
    "int6-palette": "6-bit palette",
    "int4": "int4, blocks of 32",
}
"""Storage of the weights of linear layers, for each precision."""


class CoreMLBase(Target):
    """Base class of targets that Core ML runs."""

    on_phones = True
    replayed = True
    integers: ClassVar[Mapping[str, str]] = {"int64": "int32"}

    def reading(self, precision: str, purpose: Purpose) -> Reading:
        """Return `exact` to compare a graph in float16, else the reading closest to a device.

        In float32 the two are the same, but for what is declared in float16, whose rounding a device does, too.
        """
        return "exact" if purpose == "graph" and precision != "fp32" else best_reading()

    def operators(self, path: Path) -> Mapping[str, int]:
        """Count the operators of a package."""
        from pe_validate.mil.inspection import inspect

        return inspect(path).operators

    def sources(self, module: nn.Module, lowered: nn.Module, path: Path) -> Sequence[Source]:
        """See :func:`~pe_validate.targets.coreml.sources.sources`."""
        from pe_validate.targets.coreml.sources import sources

        return sources(module, lowered, path)

    def notes(self, path: Path) -> tuple[str, ...]:
        """Return the known deviations of Core ML's own runtime that a package may meet."""
        from pe_validate.mil.deviations import found_in

        return found_in(path)

    def stored(self, path: Path) -> frozenset[str]:
        """Return the digests of a package's matrices."""
        from pe_validate.mil.matrices import matrices

        return matrices(path)

    def tensors(self, path: Path, names: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
        """Return the constants, whose names coremltools makes of those of the graph."""
        from pe_validate.mil.matrices import constants

        return constants(path, names)


class CoreMLTarget(CoreMLBase):
    """An ``.mlpackage`` with an ML Program."""

    name = "mlpackage"
    suffix = ".mlpackage"
    other_suffixes = (".mlmodel", ".mlmodelc")
    title = "Core ML"
    precisions: ClassVar[Mapping[str, Recipe]] = {
        # coremltools 9.0's optimize_linear pass fails on the linear form.
        "fp16": Recipe(FUSED, ROUNDED),
        "fp32": Recipe(FUSED),
        "int8": Recipe(FUSED, _compressed("int8-weights")),
        "int8-palette": Recipe(FUSED, _compressed("palette-8")),
        "int6-palette": Recipe(FUSED, _compressed("palette-6")),
        "int4": Recipe(FUSED, _compressed("int4-weights")),
    }
    recommended = ("fp16", "fp32")
    preload = (
        "torch",
        "pe_validate.targets.coreml.runtime",
    )
    writers = ("torch", "pe_validate.targets.coreml.write", "coremltools")
    tools = ("torch", "coremltools")
    storage = STORAGE

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """See :func:`~pe_validate.targets.coreml.write.write_mlpackage`."""
        from pe_validate.targets.coreml.write import write_mlpackage

        write_mlpackage(module, example, path, metadata, precision)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Open a package."""
        from pe_validate.targets.coreml.runtime import CoreMLRuntime

        return CoreMLRuntime(path, reading, threads)

    def structure(self, path: Path) -> Structure:
        """Read the storage of weights and the types of results."""
        from pe_validate.mil.inspection import inspect

        found = inspect(path)
        return Structure(weights=found.weights, takes_pixels=found.takes_pixels, results=found.results)

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Trace the values in the evaluator."""
        from pe_validate.targets.coreml.intermediates import intermediates
        from pe_validate.targets.intermediates import in_a_child

        return in_a_child(intermediates, path, reading, image, sizes, preload=self.preload)

    def rounds_sums(self, precision: str) -> bool:
        """Return whether the precision computes in float16, so that sums may be kept in float16."""
        return precision != "fp32"

    def precision_of(self, path: Path, structure: Structure) -> str:
        """Return the precision of the compression that most weights have, or of the float type that it computes in.

        A package of mixed precision counts as float16. The types that it takes and gives are no sign of it: they are
        converted to, not computed in.
        """
        return precision_by_storage(structure, STORAGE)

    def unlisted_precision(self, structure: Structure) -> str | None:
        """Return the storage of most weights if no precision stores them so, such as a palette of four bits."""
        return storage_without_precision(structure, STORAGE)


COREML: Final = CoreMLTarget()
