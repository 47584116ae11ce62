"""loss: an artifact answers what the float32 model that a user trained answers, as a device will compute it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class LossGate(NumbersGate):
    """The artifact against the trained model."""

    name = "loss"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Ask it of everything."""
        return True

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the model with the artifact."""
        return evidence.reference.trained, evidence.answers("model")


LOSS: Final = LossGate()
