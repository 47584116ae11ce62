"""determinism: the same image gives the same output, bit for bit, whatever ran in between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.outputs import Array
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class DeterminismGate(Gate):
    """Runs black, white, and black again."""

    name = "determinism"

    def required(self, subject: Subject) -> bool:
        """Require it of everything that runs on this machine."""
        return subject.here

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare both outputs for the first of the extreme images."""
        if not evidence.comparable:
            return None
        sample, again = evidence.reference.extremes.images[0], evidence.first_again
        for name, features in again.features.items():
            verdict = judge_twice(
                evidence.case, again.producer, sample.name, evidence.extremes.features[name], features
            )
            if verdict.status != "pass":
                break
        return verdict


def judge_twice(case: Case, producer: str, name: str, first: Array, again: Array) -> Verdict:
    """Judge whether two outputs for one image are equal."""
    import numpy as np

    passes = first.shape == again.shape and np.array_equal(first, again, equal_nan=True)
    finding = "alike twice." if passes else "differently the second time: it draws random numbers, or keeps state."
    return decide(case, DETERMINISM.name, passes, f"{producer} answers '{name}' {finding}", producer=producer)


DETERMINISM: Final = DeterminismGate()
