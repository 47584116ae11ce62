"""The base class of targets: a target is a value, and knows everything particular to one kind of file.

It is an instance of a subclass, registered in :mod:`pe_validate.targets.registry` or by another distribution through
the entry-point group ``pe_validate.targets``. Importing a target loads neither torch nor the target's own tools; its
methods do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pe_validate.data.case import Case
from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import Recipe
from pe_validate.data.structure import Delegation, Structure
from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.system.errors import ExplainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from pe_validate.targets.runtime import Runtime

Values = dict[str, "NDArray[np.float32]"]
"""Intermediate values by name, in the order in which they are computed."""

Purpose = Literal["graph", "model"]
"""The purpose of running an artifact: to compare the graph in its file, or to compute as a device does."""


@dataclass(frozen=True)
class Source:
    """A graph that a file may have been converted from; ``weights`` maps the digest of each weight to its size."""

    name: str
    module: nn.Module
    weights: Mapping[str, int]

    def share(self, stored: frozenset[str]) -> float:
        """Return the fraction of the graph's weights, by number of values, that is ``stored``."""
        return sum(n for digest, n in self.weights.items() if digest in stored) / sum(self.weights.values())


@dataclass(frozen=True)
class Example:
    """Example inputs by name, from which an exporter learns shapes and types, and the names of the outputs.

    ``dynamic_shapes`` says which axes may have any length, as ``torch.export`` takes it.
    """

    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...] = (OUTPUT_NAME,)
    dynamic_shapes: Any = None

    @classmethod
    def of(cls, image: Tensor) -> Self:
        """Return the example for a model with one input and one output, named as this project names them."""
        return cls({INPUT_NAME: image})

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The inputs, in order."""
        return tuple(self.inputs.values())


class Target(ABC):
    """Base class of targets.

    ``suffix`` is how the names of its files end. ``precisions`` maps each precision to the recipe of the graph that is
    lowered, in the order in which cases are listed; ``recommended`` names those that are validated by default.
    ``tools`` names the distributions whose versions decide what is written, ``modules`` the Python modules, besides the
    target's own package, whose code does.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    title: ClassVar[str]
    """The name that people know it by."""
    precisions: ClassVar[Mapping[str, Recipe]]
    recommended: ClassVar[tuple[str, ...]] = ()
    tools: ClassVar[tuple[str, ...]] = ("torch",)
    modules: ClassVar[tuple[str, ...]] = ()

    preload: ClassVar[tuple[str, ...]] = ()
    writers: ClassVar[tuple[str, ...]] = ()
    """Modules that a child process imports in advance to open, or to write, files of this target.

    All children share what the first one imports: begin with ``torch`` if it is needed at all.
    """
    on_phones: ClassVar[bool] = False
    """True if an iPhone can run its files."""
    replayed: ClassVar[bool] = False
    """True if devices replay goldens with its files; the manifest of the goldens then carries its limits."""
    timed: ClassVar[bool] = False
    """True if its runtime exists on the machine that exports, so that latency can be measured there."""
    baseline: ClassVar[str | None] = None
    """The precision whose latency is the baseline of every ratio, in the target that provides the baseline."""
    runs_on_arm64: ClassVar[bool] = False
    """True if :mod:`pe_validate.machines.arm64` can run its files."""

    wheels: ClassVar[str] = ""
    """Where its tools can be installed, in words; empty if wherever this project can."""

    other_suffixes: ClassVar[tuple[str, ...]] = ()
    """Suffixes of other files that :meth:`structure` and :meth:`open` take, or refuse with what to do about them."""
    operands: ClassVar[Mapping[str, str]] = {}
    """Operand types of linear layers by precision; empty if its files are not delegated programs."""
    storage: ClassVar[Mapping[str, str]] = {}
    """Storage of the weights of linear layers by precision; empty if its files do not declare it."""
    integers: ClassVar[Mapping[str, str]] = {}
    """Integer types that its files declare as another one, such as int64 as int32."""
    any_length: ClassVar[bool] = False
    """True if axes of its files may have any length."""
    keeps_names: ClassVar[bool] = True
    """True if its files hold the names of inputs and outputs; else they are known by their places alone."""
    keeps_constants: ClassVar[bool] = False
    """True if its files name their constants and store those of the lowered graph byte for byte."""
    partners: ClassVar[tuple[str, ...]] = ()
    """Targets that an app on the same device may use instead, with about the same outputs."""
    limits: ClassVar[Path | None] = None
    """The target's own table of limits, by target, precision and gate, beside :mod:`pe_validate.gates.limits`."""

    @property
    def deciding_modules(self) -> tuple[str, ...]:
        """The modules whose code decides what is written and how it is described: its package and :attr:`modules`."""
        return (type(self).__module__, *self.modules)

    @abstractmethod
    def write(self, module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
        """Convert ``module`` for inputs like those of ``example``, and write it to ``path``; runs in a child.

        ``metadata`` has ``model``, ``precision``, ``weights_sha256`` and ``licence``.

        Raises:
            Exception: whatever the exporter raises; the caller names the stage.
        """

    @abstractmethod
    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Load a file into this process; ``threads`` is the number that its runtime uses, by default one per core.

        Raises:
            RunError: the file is damaged, or is not of this target.
        """

    def delegation(self, path: Path) -> Delegation | None:
        """Return the delegation of a file, or None without delegates; runs in the child that has written the file."""
        return None

    def structure(self, path: Path) -> Structure:
        """Return the structure of an untrusted file, without running it.

        Raises:
            RunError: the file cannot be read.
        """
        return Structure()

    def operators(self, path: Path) -> Mapping[str, int]:
        """Return the number of operators by type; empty if files do not tell. Runs in a child.

        Raises:
            Exception: the file cannot be read.
        """
        return {}

    def notes(self, path: Path) -> tuple[str, ...]:
        """Return what is known of a file that no gate judges, each in a sentence.

        Raises:
            RunError: the file cannot be read.
        """
        return ()

    def constants(self, graph: Any) -> Mapping[str, str]:
        """Return the digests of the constants of a lowered graph, by layer name, as files store them."""
        return {}

    def reading(self, precision: str, purpose: Purpose) -> Reading:
        """Return how files of a precision are executed for a purpose."""
        return "native"

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Return the intermediate floating-point values for one image, those with one of ``sizes`` elements.

        The file is read and run in a child process.

        Raises:
            ExplainError: the values cannot be read.
        """
        raise ExplainError(f"Nothing is known of the values inside a file of '{self.name}'.")

    def sources(self, module: nn.Module, lowered: nn.Module, path: Path) -> Sequence[Source]:
        """Return the graphs that a file may have been converted from, such as ``module`` itself and ``lowered``.

        Raises:
            RunError: the file cannot be read.
        """
        return ()

    def stored(self, path: Path) -> frozenset[str]:
        """Return the digests of the matrices in a file, computed as those in :class:`Source`.

        Raises:
            RunError: the file cannot be read.
        """
        return frozenset()

    def tensors(self, path: Path, names: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
        """Return the tensors that a file stores under the names that the lowered graph has for them, if it does.

        Raises:
            RunError: the file cannot be read.
        """
        return {}

    def rounds_sums(self, precision: str) -> bool:
        """Return whether a device may round running sums, see :mod:`pe_validate.measure.half_sums`."""
        return False

    def claims(self, path: Path, structure: Structure | None) -> bool:
        """Return whether ``path`` is a file of this target, by its name or, if that is not enough, its structure."""
        return path.name.endswith(self.suffix)

    def precision_of(self, path: Path, structure: Structure) -> str:
        """Return the precision that a file declares; the first one if its files declare none."""
        return next(iter(self.precisions))

    def unlisted_precision(self, structure: Structure) -> str | None:
        """Return in words the precision that a file declares if it is none of :attr:`precisions`, else None."""
        return None

    def rivals(self, path: Path, threads: int) -> Mapping[str, Runtime]:
        """Return other runtimes for the baseline's file, by name, whose latency is compared too."""
        return {}

    def declared(self, spec: TensorSpec) -> TensorSpec:
        """Return how its files declare an input or output of the lowered graph."""
        return replace(spec, dtype=self.integers.get(spec.dtype, spec.dtype))

    def file_name(self, case: Case) -> str:
        """Return the name of a case's file, unique in the matrix: ``PE-Core-S16-384-fp32.pte``."""
        return f"{case.model}-{case.precision}{self.suffix}"
