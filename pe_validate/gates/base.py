"""A gate, as a value: one thing that an artifact has to pass.

A gate is a module of this package that holds one instance, entered in :mod:`pe_validate.gates.registry`. It asks
:class:`~pe_validate.gates.evidence.Evidence` for what it needs and gives a :class:`~pe_validate.data.verdict.Verdict`.
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
    """What is about to be judged: all that says which gates it needs, before anything has run.

    ``weights`` is the string that names them. ``made_here`` says that the lowered graph is known. ``stored_cost`` is what
    it cost on ``machine`` before.
    """

    case: Case
    weights: str
    made_here: bool = True
    machine: Machine = HERE
    stored_cost: int | None = None

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
        """Whether it runs on this machine itself."""
        return self.machine is HERE


@dataclass(frozen=True, slots=True)
class Column:
    """What a gate adds to the table of costs; ``show`` gives a cell, or None where there is nothing to show."""

    heading: str
    show: Callable[[Verdict], str | None]


class Misfit(Exception):
    """An artifact takes or gives something else than the model, so that its numbers mean nothing."""

    def __init__(self, producer: str, reason: str) -> None:
        super().__init__(reason)
        self.producer, self.reason = producer, reason


class Gate(ABC):
    """One gate.

    ``columns`` are what it adds to tables. ``optional`` says that it is asked whether required or not, and judges what
    it can. ``shows_places`` says that what it compares can be followed place by place.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]] = ()
    optional: ClassVar[bool] = False
    shows_places: ClassVar[bool] = False

    @abstractmethod
    def required(self, subject: Subject) -> bool:
        """Return whether ``subject`` has not passed without this gate."""

    @abstractmethod
    def judge(self, evidence: Evidence) -> Verdict | None:
        """Return what the evidence says; None where this gate has nothing to judge.

        Raises:
            RunError: the artifact cannot be loaded or executed.
        """

    def excused(self, evidence: Evidence) -> bool:
        """Return whether this machine cannot do what the gate requires; the report's first lines then say so."""
        return False


def decide(case: Case, gate: str, passes: bool, said: str, *, producer: str = "", where: str = "") -> Verdict:
    """Return a verdict without numbers: ``CASE passes GATE: what was said``; ``where`` follows the gate."""
    sentence = f"{case} {'passes' if passes else 'fails'} {gate}{where}: {said}"
    return Verdict(case, gate, "pass" if passes else "fail", sentence, producer=producer)
