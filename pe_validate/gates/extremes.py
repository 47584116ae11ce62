"""extremes: loss on the darkest and on the brightest image that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class ExtremesGate(NumbersGate):
    """Black and white."""

    name = "extremes"
    rows_of = "loss"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Ask it of everything on this machine."""
        return subject.here

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare where answers can be."""
        return super().judge(evidence) if evidence.comparable else None

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the model with the artifact."""
        return evidence.reference.extremes.trained, evidence.extremes


EXTREMES: Final = ExtremesGate()
