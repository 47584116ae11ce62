"""Core AI assets, run by Apple's own runtime: on Linux, too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import FUSED, Images, Recipe, Scheme
from pe_validate.data.structure import Structure
from pe_validate.targets.base import Example, Purpose, Target, Values
from pe_validate.targets.coreai.libraries import PLATFORMS
from pe_validate.targets.coreml import COREML, best_reading
from pe_validate.targets.schemes import ROUNDED, round_constants
from pe_validate.targets.storage import precision_by_storage, storage_without_precision
from pe_validate.targets.xnnpack import XNNPACK

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pe_validate.targets.runtime import Runtime


def _compressed(precision: str) -> Scheme:
    def compress(module: Any, images: Images) -> Any:
        from pe_validate.targets.coreai.compression import compress_weights

        return compress_weights(round_constants(module), precision)

    return Scheme(f"coreai-{precision}", compress, slow="palette" in precision, finite=True)


STORAGE: Final = {
    "fp32": "float32",
    "fp16": "float16",
    "int8": "int8, a scale for each channel",
    "int8-palette": "8-bit palette",
    "int6-palette": "6-bit palette",
    "int4": "int4, blocks of 32",
}
"""Storage of the weights of linear layers, for each precision."""


class CoreAITarget(Target):
    """An ``.aimodel``, for iOS 27 and macOS 27."""

    name = "coreai"
    suffix = ".aimodel"
    title = "Core AI"
    on_phones = True
    replayed = True
    precisions: ClassVar[Mapping[str, Recipe]] = {
        "fp32": Recipe(FUSED),
        "fp16": Recipe(FUSED, ROUNDED),
        "int8": Recipe(FUSED, _compressed("int8")),
        "int8-palette": Recipe(FUSED, _compressed("int8-palette")),
        "int6-palette": Recipe(FUSED, _compressed("int6-palette")),
        "int4": Recipe(FUSED, _compressed("int4")),
    }
    preload = ("torch", "pe_validate.targets.coreai.runtime", "coreai.authoring")
    writers = ("torch", "pe_validate.targets.coreai.write", "coreai.authoring")
    tools = ("torch", "coreai-core", "coreai-torch", "coreai-opt")
    wheels = PLATFORMS
    storage = STORAGE
    integers: ClassVar[Mapping[str, str]] = {"int64": "int32"}
    partners = (COREML.name, XNNPACK.name)

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """See :func:`~pe_validate.targets.coreai.write.write_aimodel`."""
        from pe_validate.targets.coreai.write import write_aimodel

        write_aimodel(module, example, path, metadata, precision)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Specialise an asset for this machine's CPU."""
        from pe_validate.targets.coreai.runtime import CoreAIRuntime

        return CoreAIRuntime(path, reading, threads)

    def structure(self, path: Path) -> Structure:
        """Read the storage of weights and the types of results in a child process."""
        from pe_validate.targets.coreai.structure import isolated, structure

        return isolated(structure, path)

    def operators(self, path: Path) -> Mapping[str, int]:
        """Count the operators of an asset."""
        from pe_validate.targets.coreai.inspection import inspection

        return inspection(path).operators

    def reading(self, precision: str, purpose: Purpose) -> Reading:
        """Return `exact` to compare a graph in float16, else the reading closest to a device.

        Off macOS that is `declared`: the kernels for float16 that the runtime has there round every partial sum, which
        no matrix unit does, and take a hundred times as long (docs/coreai.md). A file in float32 is run as it is.
        """
        return "exact" if purpose == "graph" and precision != "fp32" else best_reading()

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Make the values outputs, and run the program."""
        from pe_validate.targets.coreai.intermediates import intermediates
        from pe_validate.targets.intermediates import in_a_child

        return in_a_child(intermediates, path, reading, image, sizes, preload=self.preload)

    def precision_of(self, path: Path, structure: Structure) -> str:
        """Return the precision of the compression that most weights have, or of the float type that it computes in."""
        return precision_by_storage(structure, STORAGE)

    def unlisted_precision(self, structure: Structure) -> str | None:
        """Return the storage of most weights if no precision stores them so, such as a palette of four bits."""
        return storage_without_precision(structure, STORAGE)


COREAI: Final = CoreAITarget()
