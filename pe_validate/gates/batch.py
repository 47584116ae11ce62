"""batch: loss on all inputs in one call, where an artifact declares that it takes several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Misfit, Subject
from pe_validate.gates.numbers import NumbersGate
from pe_validate.system.errors import RunError

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class BatchGate(NumbersGate):
    """Several images at once."""

    name = "batch"
    rows_of = "loss"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Ask it of nothing: only the artifact says whether it takes several."""
        return False

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare where several are taken."""
        several = evidence.subject.here and evidence.comparable
        several = several and evidence.runtime("model").image_spec().shape[0] == -1
        return super().judge(evidence) if several else None

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the model, image by image, with the artifact's one answer."""
        inputs, producer = evidence.reference.inputs, evidence.runtime("model").producer
        try:
            together = evidence.together()
        except RunError as error:
            raise Misfit(producer, f"it declares any batch, but given {len(inputs)}: {error}") from error
        if len(together) != len(inputs):
            raise Misfit(producer, f"to {len(inputs)} images it gave {len(together)} answers")
        features = {sample.name: together[i : i + 1] for i, sample in enumerate(inputs)}
        return evidence.reference.trained, Outputs(f"{producer}, in one batch", features)


BATCH: Final = BatchGate()
