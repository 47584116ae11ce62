"""fidelity: an artifact computes exactly the graph that was lowered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class FidelityGate(NumbersGate):
    """Compares the artifact with the graph that its exporter was given."""

    name = "fidelity"
    purpose = "graph"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Require it where the lowered graph is known."""
        return subject.made_here

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the outputs of the lowered graph and of the file's graph."""
        return evidence.reference.lowered(evidence.case), evidence.answers(self.purpose)


FIDELITY: Final = FidelityGate()
