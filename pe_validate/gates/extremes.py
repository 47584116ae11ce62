"""extremes: loss on the darkest and the brightest possible image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class ExtremesGate(NumbersGate):
    """Compares the outputs for a black and a white image."""

    name = "extremes"
    rows_of = "loss"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Require it of everything that runs on this machine."""
        return subject.here

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare if the outputs have the model's shapes."""
        return super().judge(evidence) if evidence.comparable else None

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the model's outputs and the artifact's."""
        return evidence.reference.extremes.trained, evidence.extremes


EXTREMES: Final = ExtremesGate()
