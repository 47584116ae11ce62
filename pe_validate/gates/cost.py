"""cost: a program takes no more instructions than the stored number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.execution import Execution
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence

COST_MARGIN: Final = 0.03
"""Fraction of the stored cost by which a program's cost may differ."""


class CostGate(Gate):
    """Compares the instructions of a first inference with a stored number, where they can be counted."""

    name = "cost"

    def required(self, subject: Subject) -> bool:
        """Require it where a cost is stored and instructions can be counted."""
        return subject.stored_cost is not None and subject.machine.counts

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare with the stored cost."""
        found, stored = evidence.execution, evidence.subject.stored_cost
        return judge_cost(evidence.case, found, stored) if found and stored is not None else None


def judge_cost(case: Case, found: Execution, expected: int) -> Verdict:
    """Judge a program's instructions by the ``expected`` number."""
    more = found.cost - expected
    finding = (
        f"{found.cost:,} instructions for its first image, {more / expected:+.2%} against the stored {expected:,}; "
        f"{COST_MARGIN:.0%} more are allowed."
    )
    passes = more <= COST_MARGIN * expected
    return decide(case, COST.name, passes, finding, producer=found.producer, where=f" on {found.profile}")


COST: Final = CostGate()
