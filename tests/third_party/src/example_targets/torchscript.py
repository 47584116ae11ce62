"""TorchScript as a target."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import FUSED, Recipe
from pe_validate.targets.base import Example, Target

if TYPE_CHECKING:
    from torch import nn

    from pe_validate.targets.runtime import Runtime


class TorchScriptTarget(Target):
    """A traced module in a file of its own."""

    name = "torchscript"
    suffix = ".torchscript"
    title = "TorchScript"
    precisions: ClassVar[Mapping[str, Recipe]] = {"fp32": Recipe(FUSED)}
    modules = ("example_targets.runtime",)
    limits = Path(__file__).with_name("limits.toml")

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """Trace and save."""
        from example_targets.runtime import write_torchscript

        (image,) = example.tensors
        write_torchscript(module, image, path)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Load."""
        from example_targets.runtime import TorchScriptRuntime

        return TorchScriptRuntime(path)


TORCHSCRIPT: Final = TorchScriptTarget()
