"""PyTorch's saved ``ExportedProgram``, the starting point of other toolchains."""

from __future__ import annotations

from collections.abc import Mapping
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


class Pt2Target(Target):
    """One ``.pt2`` archive, written by ``torch.export.save`` and run by PyTorch from the file alone."""

    name = "pt2"
    suffix = ".pt2"
    title = "PyTorch exported program"
    precisions: ClassVar[Mapping[str, Recipe]] = {"fp32": Recipe(FUSED)}
    any_length = True
    keeps_names = False
    preload = (
        "torch",
        "pe_validate.targets.pt2.program",
    )
    writers = (
        "torch",
        "pe_validate.targets.pt2.program",
    )

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """See :func:`~pe_validate.targets.pt2.program.write_pt2`."""
        from pe_validate.targets.pt2.program import write_pt2

        write_pt2(module, example, path, metadata)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Load the program; archives that would run code of their own are refused."""
        from pe_validate.targets.pt2.program import Pt2Runtime

        return Pt2Runtime(path, threads)

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Interpret the graph node by node."""
        from pe_validate.targets.intermediates import in_a_child
        from pe_validate.targets.pt2.program import intermediates

        return in_a_child(intermediates, path, image, sizes, preload=self.preload)


PT2: Final = Pt2Target()
