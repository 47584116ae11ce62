"""A target, as a value: the kind of file that a model is converted to, and all that is particular to that kind.

A target is an instance of a subclass, registered in :mod:`pe_validate.targets.registry` or by another distribution
through the entry-point group ``pe_validate.targets``. Importing one loads neither torch nor the target's own tools:
methods import them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.case import Case
from pe_validate.data.outputs import Reading
from pe_validate.data.recipe import Recipe
from pe_validate.data.structure import Delegation, Structure
from pe_validate.system.errors import ExplainError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pe_validate.targets.runtime import Runtime

Values = dict[str, NDArray[np.float32]]
"""Intermediate values by name, in the order in which they are computed."""

Purpose = Literal["graph", "model"]
"""What an artifact's answers are held to: the graph that its file describes, or the model as a device computes it."""


@dataclass(frozen=True)
class Source:
    """A graph that a file may have been converted from, and how much of it each weight is, by digest."""

    name: str
    module: nn.Module
    weights: Mapping[str, int]

    def share(self, stored: frozenset[str]) -> float:
        """Return what part of its weights is ``stored``."""
        return sum(n for digest, n in self.weights.items() if digest in stored) / sum(self.weights.values())


class Target(ABC):
    """One target.

    ``suffix`` ends the names of its files. ``precisions`` gives for each the recipe of the graph that is lowered, in
    the order in which cases are listed; ``recommended`` are those that are validated when nothing is named. ``tools``
    are the distributions whose versions decide what is written, and ``modules`` the Python modules that do so beside the
    target's own package.
    """

    name: ClassVar[str]
    suffix: ClassVar[str]
    title: ClassVar[str]
    """What people call it."""
    precisions: ClassVar[Mapping[str, Recipe]]
    recommended: ClassVar[tuple[str, ...]] = ()
    tools: ClassVar[tuple[str, ...]] = ("torch",)
    modules: ClassVar[tuple[str, ...]] = ()

    preload: ClassVar[tuple[str, ...]] = ()
    """Modules that a child which opens files of this target imports in any case."""
    on_phones: ClassVar[bool] = False
    """An iPhone computes it."""
    timed: ClassVar[bool] = False
    """Its own runtime exists on the machine that exports it, and keeps the same time as it would elsewhere."""
    baseline: ClassVar[str | None] = None
    """The precision whose latency every other runtime's is divided by."""
    runs_on_arm64: ClassVar[bool] = False
    """Programs are opened by :mod:`pe_validate.machines.arm64`."""

    operands: ClassVar[Mapping[str, str]] = {}
    """Operand types of linear layers by precision, where files are delegated programs that tell them."""
    storage: ClassVar[Mapping[str, str]] = {}
    """How weights of linear layers are stored by precision, where files are packages that tell it."""
    keeps_constants: ClassVar[bool] = False
    """Files name their constants, which are those of the lowered graph byte for byte."""
    partners: ClassVar[tuple[str, ...]] = ()
    """Targets that compute the same model in its place on the same device: an app may use either."""
    limits: ClassVar[Path | None] = None
    """A table of limits beside those of :mod:`pe_validate.gates.limits`; it has rows by target, precision and gate."""

    @property
    def deciding_modules(self) -> tuple[str, ...]:
        """The modules whose code decides what is written and said of it: its own package, and :attr:`modules`."""
        return (type(self).__module__, *self.modules)

    @abstractmethod
    def write(self, module: nn.Module, image: Tensor, path: Path, metadata: dict[str, str], precision: str) -> None:
        """Convert ``module`` for inputs of ``image``'s shape and type and write it to ``path``; called in a child.

        ``metadata`` has ``model``, ``precision``, ``weights_sha256``, ``licence`` and ``description``.

        Raises:
            Exception: whatever the exporter raises; the caller names the stage.
        """

    @abstractmethod
    def open(self, path: Path, reading: Reading, threads: int | None = None) -> Runtime:
        """Load a file into this process; ``threads`` is how many its runtime uses, all by default.

        Raises:
            RunError: the file is damaged or is none of this target.
        """

    def delegation(self, path: Path) -> Delegation | None:
        """Return what the file hands to its delegate; called in the child that has written it."""
        return None

    def structure(self, path: Path) -> Structure:
        """Return what can be read of a file that anyone may have made, without running it.

        Raises:
            RunError: the file cannot be read.
        """
        return Structure()

    def constants(self, graph: Any) -> Mapping[str, str]:
        """Return digests of the layers of a lowered graph by name, as :attr:`keeps_constants` files store them."""
        return {}

    def reading(self, precision: str, purpose: Purpose) -> Reading:
        """Return how files are executed for a purpose."""
        return "native"

    def intermediates(self, path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
        """Return the floating-point values of a file for one image, those of so many elements; it runs in a child.

        Raises:
            ExplainError: it cannot be taken apart, or does not run any more when it is.
        """
        raise ExplainError(f"Nothing is known of the values inside a file of '{self.name}'.")

    def sources(self, module: nn.Module, lowered: nn.Module) -> Sequence[Source]:
        """Return the graphs that a file of the model may have been converted from: ``module`` itself, ``lowered`` …"""
        return ()

    def stored(self, path: Path) -> frozenset[str]:
        """Return digests of the matrices in a file, in the terms of :class:`Source`.

        Raises:
            RunError: the file cannot be read.
        """
        return frozenset()

    def rounds_sums(self, precision: str) -> bool:
        """Return whether a device may round running sums in ways that :mod:`pe_validate.measure.half_sums` brackets."""
        return False

    def claims(self, path: Path, structure: Structure | None) -> bool:
        """Return whether ``path`` is a file of this target, by its name, or by its structure where that is not enough."""
        return path.name.endswith(self.suffix)

    def precision_of(self, path: Path, structure: Structure) -> str:
        """Return the precision that a file itself says it has; the first one where files say nothing."""
        return next(iter(self.precisions))

    def rivals(self, path: Path, threads: int) -> Mapping[str, Runtime]:
        """Return what the same runtime could make of the baseline's file, by name: latency is compared with it, too."""
        return {}

    def file_name(self, case: Case) -> str:
        """Return the name of a case's file, unique in the matrix: ``PE-Core-S16-384-fp32.pte``."""
        return f"{case.model}-{case.precision}{self.suffix}"
