"""ExecuTorch programs lowered to XNNPACK."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import HALF, LINEAR, Images, Recipe, Scheme
from pe_validate.data.structure import Delegation, Structure
from pe_validate.targets.base import Example, Target, Values
from pe_validate.targets.programs import READERS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pe_validate.targets.runtime import Runtime


def _half(module: Any, images: Images) -> Any:
    from pe_validate.targets.xnnpack.half import halve

    return halve(module)


def _int8(module: Any, images: Images) -> Any:
    from pe_validate.targets.xnnpack.quantization import quantize_weights

    return quantize_weights(module, 8)


def _int4(module: Any, images: Images) -> Any:
    from pe_validate.targets.xnnpack.quantization import quantize_weights

    return quantize_weights(module, 4)


def _int8_static(module: Any, images: Images) -> Any:
    from pe_validate.targets.xnnpack.quantization import calibrate

    return calibrate(module, images)


OPERANDS: Final = {
    "fp32": "fp32 × fp32",
    "fp16": "fp16 × fp16",
    "int8": "qdint8 × qcint8",
    "int8-static": "qint8 × qcint8",
    "int4": "qdint8 × qbint4",
}
"""Operand types of the linear layers in each precision, in XNNPACK's terms.

qd: activations with a scale per token, computed at run time. qc: weights with a scale per output channel; qb: with a
scale per group.
"""


class XnnpackTarget(Target):
    """A ``.pte`` whose single delegate is XNNPACK's, which uses KleidiAI's kernels on Arm."""

    name = "pte"
    suffix = ".pte"
    title = "ExecuTorch"
    precisions: ClassVar[Mapping[str, Recipe]] = {
        # nn.LayerNorm stays outside the XNNPACK delegate of ExecuTorch 1.4.1, and cuts the graph into 27 pieces.
        "fp32": Recipe(LINEAR),
        "fp16": Recipe(HALF, Scheme("half", _half, dtype="float16")),
        "int8": Recipe(LINEAR, Scheme("int8", _int8, finite=True)),
        "int8-static": Recipe(LINEAR, Scheme("int8-static", _int8_static, calibrated=True, finite=True)),
        "int4": Recipe(LINEAR, Scheme("int4", _int4, finite=True)),
    }
    recommended = ("fp32", "int8")
    preload = READERS
    writers = ("torch", "pe_validate.targets.xnnpack.write", "executorch.exir")
    tools = ("torch", "executorch", "torchao")
    on_phones = True
    replayed = True
    timed = True
    runs_on_arm64 = True
    operands = OPERANDS
    keeps_names = False
    keeps_constants = True

    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """See :func:`~pe_validate.targets.xnnpack.write.write_pte`."""
        from pe_validate.targets.xnnpack.write import write_pte

        write_pte(module, example, path, metadata)

    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Load the method ``forward``; call it in a child process, because damaged programs abort the process."""
        from pe_validate.targets.xnnpack.runtime import ExecuTorchRuntime

        return ExecuTorchRuntime(path, threads)

    def delegation(self, path: Path) -> Delegation:
        """See :func:`~pe_validate.targets.xnnpack.delegation.delegation`."""
        from pe_validate.targets.xnnpack.delegation import delegation

        return delegation(path)

    def structure(self, path: Path) -> Structure:
        """Read the delegates in a child process."""
        from pe_validate.targets.xnnpack.delegation import isolated_structure

        return isolated_structure(path)

    def operators(self, path: Path) -> Mapping[str, int]:
        """See :func:`~pe_validate.targets.xnnpack.delegation.operators`."""
        from pe_validate.targets.xnnpack.delegation import operators

        return operators(path)

    def constants(self, graph: Any) -> Mapping[str, str]:
        """See :func:`~pe_validate.targets.xnnpack.constants.of_graph`."""
        from pe_validate.targets.xnnpack.constants import of_graph

        return of_graph(graph)

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Declare the delegate's intermediate values as outputs, and run the program."""
        from pe_validate.targets.intermediates import in_a_child
        from pe_validate.targets.xnnpack.programs import intermediates

        return in_a_child(intermediates, path, image, sizes, preload=self.preload)

    def precision_of(self, path: Path, structure: Structure) -> str:
        """Return the precision of most of a program's linear layers; fp32 if it has none."""
        products = products_of(structure)
        return max(OPERANDS, key=lambda precision: products.get(OPERANDS[precision], 0))

    def unlisted_precision(self, structure: Structure) -> str | None:
        """Return the operand types of most of a program's linear layers if no precision has them."""
        products = products_of(structure)
        most = max(products, key=products.__getitem__, default="")
        return None if most in ("", *OPERANDS.values()) else f"products of {most}"


def products_of(structure: Structure) -> dict[str, int]:
    """Return the multiply-accumulates of a program's linear layers by operand types."""
    found = structure.delegation.products if structure.delegation else {}
    return {name.removeprefix("linear "): count for name, count in found.items() if name.startswith("linear ")}


XNNPACK: Final = XnnpackTarget()
