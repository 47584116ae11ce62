"""backends: targets that an app may use interchangeably give about the same outputs."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate, judge_numbers

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class BackendsGate(NumbersGate):
    """Compares the artifact with those of partner targets of the same model."""

    name = "backends"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Require it of nothing: the partner may not have been validated."""
        return False

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare with every partner whose outputs are known, and return the worst of the verdicts."""
        if not evidence.partners or not evidence.subject.here:
            return None
        row, actual = self.tolerance(evidence.case, evidence.machine.rows), evidence.answers(self.purpose)
        found = [judge_numbers(evidence.case, self.name, partner, actual, row) for partner in evidence.partners]
        return min(found, key=_merit)

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the first partner's outputs and the artifact's."""
        return evidence.partners[0], evidence.answers(self.purpose)


def _merit(verdict: Verdict) -> tuple[bool, float]:
    """Return how good a comparison is; one that fails, or has no numbers, is worse than any that passes."""
    return verdict.status == "pass", verdict.worst.snr_db if verdict.worst else -inf


BACKENDS: Final = BackendsGate()
