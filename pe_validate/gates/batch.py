"""batch: loss on the inputs in a single call, if an artifact declares a variable batch size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import MisfitError, Subject
from pe_validate.gates.numbers import NumbersGate
from pe_validate.system.errors import RunError

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


LARGEST: Final = 64
"""The number of inputs in the batch, if there are more."""


class BatchGate(NumbersGate):
    """Compares the outputs for several images in one call with the model's."""

    name = "batch"
    rows_of = "loss"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Require it of nothing: only the artifact itself says whether it takes several images."""
        return False

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare if the artifact takes several images at once."""
        several = evidence.subject.here and evidence.comparable
        several = several and evidence.several_at_once
        return super().judge(evidence) if several else None

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the model's outputs image by image, and the artifact's for one batch.

        Raises:
            MisfitError: the artifact fails on a batch, or returns another number of outputs.
        """
        inputs, producer = evidence.reference.inputs[:LARGEST], evidence.runtime("model").producer
        try:
            together = evidence.together(inputs)
        except RunError as error:
            raise MisfitError(producer, f"it declares any batch, but given {len(inputs)}: {error}") from error
        if len(together) != len(inputs):
            raise MisfitError(producer, f"to {len(inputs)} images it gave {len(together)} answers")
        trained = evidence.reference.trained
        expected = {sample.name: trained.features[sample.name] for sample in inputs}
        features = {sample.name: together[i : i + 1] for i, sample in enumerate(inputs)}
        return Outputs(trained.producer, expected), Outputs(f"{producer}, in one batch", features)


BATCH: Final = BatchGate()
