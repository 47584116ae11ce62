"""ExecuTorch programs lowered to Core ML: the single delegate of such a program holds an ``.mlpackage``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import FUSED, Recipe
from pe_validate.data.structure import Delegation, Structure
from pe_validate.targets.base import Example, Source, Values
from pe_validate.targets.coreml import CoreMLBase
from pe_validate.targets.programs import COREML_BACKEND
from pe_validate.targets.schemes import ROUNDED
from pe_validate.targets.xnnpack import OPERANDS, XNNPACK, products_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pe_validate.targets.runtime import Runtime


class PteCoreMLTarget(CoreMLBase):
    """A ``.pte`` whose delegate is Core ML's; only its content distinguishes it from one for XNNPACK."""

    name = "pte-coreml"
    suffix = ".coreml.pte"
    title = "ExecuTorch with Core ML"
    precisions: ClassVar[Mapping[str, Recipe]] = {"fp16": Recipe(FUSED, ROUNDED), "fp32": Recipe(FUSED)}
    recommended = ("fp16",)
    preload = (
        "torch",
        "pe_validate.targets.pte_coreml.runtime",
    )
    writers = ("torch", "pe_validate.targets.pte_coreml.write", "executorch.exir", "coremltools")
    tools = ("torch", "executorch", "coremltools")
    modules = (
        "pe_validate.targets.xnnpack.delegation",
        "pe_validate.targets.xnnpack.constants",
        "pe_validate.targets.xnnpack.missing",
        "pe_validate.targets.xnnpack.reader",
        "pe_validate.mil.inspection",
        "pe_validate.mil.description",
        "pe_validate.mil.package",
        "pe_validate.mil.blob",
        "pe_validate.mil.proto",
        "pe_validate.mil.dtypes",
    )
    keeps_names = False
    operands = OPERANDS
    partners = (XNNPACK.name,)

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """See :func:`~pe_validate.targets.pte_coreml.write.write_pte_coreml`."""
        from pe_validate.targets.pte_coreml.write import write_pte_coreml

        write_pte_coreml(module, example, path, metadata, precision)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Open the package inside a program; call it in a child process, because damaged programs abort the process."""
        from pe_validate.targets.pte_coreml.runtime import CoreMLProgramRuntime

        return CoreMLProgramRuntime(path, reading, threads)

    def delegation(self, path: Path) -> Delegation:
        """See :func:`~pe_validate.targets.xnnpack.delegation.delegation`."""
        return XNNPACK.delegation(path)

    def structure(self, path: Path) -> Structure:
        """Read the delegates in a child process."""
        return XNNPACK.structure(path)

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Trace the values of the package inside in the evaluator."""
        from pe_validate.targets.coreml import COREML
        from pe_validate.targets.pte_coreml.embedded import embedded

        with embedded(path) as package:
            return COREML.intermediates(package, reading, image, sizes)

    def sources(self, module: nn.Module, lowered: nn.Module, path: Path) -> Sequence[Source]:
        """Return the sources of the package inside."""
        from pe_validate.targets.pte_coreml.embedded import embedded

        with embedded(path) as package:
            return super().sources(module, lowered, package)

    def operators(self, path: Path) -> Mapping[str, int]:
        """Count the operators of the package inside."""
        from pe_validate.targets.pte_coreml.embedded import embedded

        with embedded(path) as package:
            return super().operators(package)

    def notes(self, path: Path) -> tuple[str, ...]:
        """Return the notes on the package inside."""
        from pe_validate.targets.pte_coreml.embedded import embedded

        with embedded(path) as package:
            return super().notes(package)

    def stored(self, path: Path) -> frozenset[str]:
        """Return the digests of the matrices of the package inside."""
        from pe_validate.targets.pte_coreml.embedded import embedded

        with embedded(path) as package:
            return super().stored(package)

    def tensors(self, path: Path, names: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
        """Return the constants of the package inside."""
        from pe_validate.targets.pte_coreml.embedded import embedded

        with embedded(path) as package:
            return super().tensors(package, names)

    def claims(self, path: Path, structure: Structure | None) -> bool:
        """Return whether a program delegates to Core ML, whatever its file name."""
        program = path.name.endswith(XNNPACK.suffix)
        return bool(program and structure and structure.delegation and structure.delegation.backend == COREML_BACKEND)

    def precision_of(self, path: Path, structure: Structure) -> str:
        """Return the precision in which the package computes most of its linear layers."""
        products = products_of(structure)
        return max(self.precisions, key=lambda precision: products.get(OPERANDS[precision], 0))

    def unlisted_precision(self, structure: Structure) -> str | None:
        """Return the operand types of most of the package's linear layers if no precision has them."""
        products = products_of(structure)
        most = max(products, key=products.__getitem__, default="")
        own = [OPERANDS[precision] for precision in self.precisions]
        return None if most in ("", *own) else f"products of {most}"


PTE_COREML: Final = PteCoreMLTarget()
