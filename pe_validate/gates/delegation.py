"""delegation: a program is a single delegate call; anything outside it costs a copy and a slow portable kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.models.registry import model_named

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
    """Judge whether a program is one delegate call and nothing else, or as few pieces as are accepted of its model."""
    accepted = model_named(case.model).pieces(f"{case.target}/{case.precision}")
    calls, outside = (accepted.calls, accepted.outside) if accepted else (1, ())
    whole = 1 <= delegation.delegate_calls <= calls and set(delegation.left_over) <= set(outside)
    found = f"{delegation.delegate_calls} delegate call{'s' * (delegation.delegate_calls != 1)}"
    if delegation.left_over:
        found += f" and {len(delegation.left_over)} operators outside ({', '.join(sorted(set(delegation.left_over)))})"
    wanted = "one call and none outside are wanted"
    if accepted:
        wanted = f"{calls} and {', '.join(outside) or 'none'} outside are accepted because {accepted.reason}"
    return decide(case, DELEGATION.name, whole, f"{found}; {wanted.rstrip('.')}.")


DELEGATION: Final = DelegationGate()
