"""delegation: a program is a single delegate call; anything outside it costs a copy and a slow portable kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class DelegationGate(Gate):
    """Counts delegate calls, and operators outside them."""

    name = "delegation"

    def required(self, subject: Subject) -> bool:
        """Require it of delegated programs."""
        return subject.here and bool(subject.target.operands)

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Judge the program's delegation."""
        found = evidence.structure.delegation
        return judge_delegation(evidence.case, found) if found else None


def judge_delegation(case: Case, delegation: Delegation) -> Verdict:
    """Judge whether a program is one delegate call and nothing else."""
    whole = delegation.delegate_calls == 1 and not delegation.left_over
    found = f"{delegation.delegate_calls} delegate call{'s' * (delegation.delegate_calls != 1)}"
    if delegation.left_over:
        found += f" and {len(delegation.left_over)} operators outside ({', '.join(sorted(set(delegation.left_over)))})"
    return decide(case, DELEGATION.name, whole, f"{found}; one call and none outside are wanted.")


DELEGATION: Final = DelegationGate()
