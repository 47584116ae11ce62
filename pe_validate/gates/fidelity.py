"""fidelity: an artifact computes the very graph that was lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class FidelityGate(NumbersGate):
    """The artifact's graph against the graph that its exporter was given."""

    name = "fidelity"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Ask it where the graph is known."""
        return subject.made_here

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the lowered graph with the file's."""
        return evidence.reference.lowered(evidence.case), evidence.answers("graph")


FIDELITY: Final = FidelityGate()
