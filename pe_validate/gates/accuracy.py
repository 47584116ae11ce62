"""accuracy: the artifact of a trained model recognises about as many labelled images as the float32 model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.limits import AccuracyTolerance
from pe_validate.data.tasks import Accuracy
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Column, Gate, Subject
from pe_validate.gates.limits import row_of
from pe_validate.tasks.accuracy import top1

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


def _cell(verdict: Verdict) -> str | None:
    found = verdict.accuracy
    return f"{found.top1:.1%} of {found.reference_top1:.1%}" if found else None


class AccuracyGate(Gate):
    """Compares top-1 accuracy with that of the float32 model."""

    name = "accuracy"
    columns = (Column("accuracy, of float32", _cell),)

    def required(self, subject: Subject) -> bool:
        """Require it of models that come with labelled images, if the weights were trained to recognise them."""
        row = row_of(subject.case, self.name, AccuracyTolerance)
        return subject.here and row is not None and subject.model.recognises(subject.weights)

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the accuracy of the artifact with that of the model."""
        row, images = row_of(evidence.case, self.name, AccuracyTolerance), evidence.reference.labelled
        if row is None or images is None or not evidence.comparable:
            return None
        answers = evidence.ask(images.inputs)
        found = Accuracy(top1(answers, images), evidence.reference.recognised, len(images.inputs))
        return judge_accuracy(evidence.case, answers.producer, found, row)


def judge_accuracy(case: Case, producer: str, found: Accuracy, row: AccuracyTolerance) -> Verdict:
    """Judge an accuracy by its row of limits."""
    lost = 100 * (found.reference_top1 - found.top1)
    passes = lost <= row.limit + 1e-9
    sentence = (
        f"{case} {'passes' if passes else 'fails'} accuracy: {producer} recognises {found.top1:.1%} of "
        f"{found.images} held-out images, float32 {found.reference_top1:.1%}; {row.limit:g} points may be lost"
    )
    sentence += "." if passes else f", because {row.reason}"
    return Verdict(case, "accuracy", "pass" if passes else "fail", sentence, producer=producer, accuracy=found)


ACCURACY: Final = AccuracyGate()
