"""loss: an artifact, as a device will compute it, gives the outputs of the float32 model that was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class LossGate(NumbersGate):
    """Compares the artifact with the trained model."""

    name = "loss"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Require it of everything."""
        return True

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the outputs of the model and of the artifact."""
        return evidence.reference.trained, evidence.answers(self.purpose)


LOSS: Final = LossGate()
