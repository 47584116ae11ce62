"""arithmetic: a program's linear layers multiply the types that its precision promises, as read from the delegate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.targets.registry import target_of

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence

LINEAR_SHARE: Final = 0.99
"""Least fraction of the linear layers' multiply-accumulates; the averages inside LayerNorm stay in float32."""


class ArithmeticGate(Gate):
    """Checks the operand types of linear layers."""

    name = "arithmetic"

    def required(self, subject: Subject) -> bool:
        """Require it of delegated programs."""
        return subject.here and bool(subject.target.operands)

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Judge the operand types that the program's delegate declares."""
        found = evidence.structure.delegation
        return judge_arithmetic(evidence.case, found) if found else None


def judge_arithmetic(case: Case, delegation: Delegation) -> Verdict:
    """Judge the operand types of a program's linear layers."""
    wanted = target_of(case).operands[case.precision]
    linear = {key.removeprefix("linear "): n for key, n in delegation.products.items() if key.startswith("linear ")}
    share = linear.get(wanted, 0) / max(sum(linear.values()), 1)
    found = ", ".join(f"{n / sum(linear.values()):.1%} {types}" for types, n in linear.items()) or "none"
    finding = f"products of linear layers are {found}; {LINEAR_SHARE:.0%} {wanted} are wanted."
    return decide(case, ARITHMETIC.name, share >= LINEAR_SHARE, finding)


ARITHMETIC: Final = ArithmeticGate()
