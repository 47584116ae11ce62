"""The base class of gates: a gate is a value, and judges one property of an artifact.

Each gate is one instance in a module of its own, listed in :mod:`pe_validate.gates.registry`. It asks the
:class:`~pe_validate.gates.evidence.Evidence` for what it needs and returns a
:class:`~pe_validate.data.verdict.Verdict`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pe_validate.data.case import Case
from pe_validate.data.machine import HERE, Machine
from pe_validate.data.verdict import Verdict
from pe_validate.models.base import Model
from pe_validate.models.registry import model_named
from pe_validate.targets.base import Target
from pe_validate.targets.registry import target_of

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Subject:
    """The subject of a validation: everything that decides, before anything has run, which gates are required.

    ``weights`` is a spec such as ``seed:7``. ``made_here``: the artifact was exported here, so the lowered graph is
    known. ``stored_cost`` is the cost that is stored for the case on ``machine``, if there is one. ``unlisted`` is the
    precision of a file in words, if its target is not validated in it; the case then has the nearest one.
    """

    case: Case
    weights: str
    made_here: bool = True
    machine: Machine = HERE
    stored_cost: int | None = None
    unlisted: str | None = None

    @property
    def model(self) -> Model:
        """The case's model."""
        return model_named(self.case.model)

    @property
    def target(self) -> Target:
        """The case's target."""
        return target_of(self.case)

    @property
    def here(self) -> bool:
        """True if the artifact runs on this machine itself."""
        return self.machine is HERE


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a gate adds to the table of costs; ``show`` returns a cell's text, or None for an empty cell."""

    heading: str
    show: Callable[[Verdict], str | None]


class MisfitError(Exception):
    """An artifact's inputs or outputs differ from the model's, so its numbers cannot be compared."""

    def __init__(self, producer: str, reason: str) -> None:
        super().__init__(reason)
        self.producer, self.reason = producer, reason


class Gate(ABC):
    """Base class of gates.

    ``columns`` are added to the table of costs. ``optional``: the gate also runs where it is not required, and judges
    what it can. ``shows_places``: the comparison can be repeated at every place inside the model.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]] = ()
    optional: ClassVar[bool] = False
    shows_places: ClassVar[bool] = False

    @abstractmethod
    def required(self, subject: Subject) -> bool:
        """Return whether ``subject`` must pass this gate."""

    @abstractmethod
    def judge(self, evidence: Evidence) -> Verdict | None:
        """Return the verdict on the evidence, or None if there is nothing to judge.

        Raises:
            RunError: the artifact cannot be loaded or executed.
        """

    def excused(self, evidence: Evidence) -> bool:
        """Return whether to waive the gate because this machine cannot run it; the report's first lines say so."""
        return False


def decide(case: Case, gate: str, passes: bool, finding: str, *, producer: str = "", where: str = "") -> Verdict:
    """Return a verdict without numbers, whose sentence is ``CASE passes GATE: finding``; ``where`` follows GATE."""
    sentence = f"{case} {'passes' if passes else 'fails'} {gate}{where}: {finding}"
    return Verdict(case, gate, "pass" if passes else "fail", sentence, producer=producer)
