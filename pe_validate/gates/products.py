"""products: KleidiAI's kernels do as much of a program's work as stored, where instructions cannot be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.execution import Execution
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.gates.cost import COST_MARGIN

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class ProductsGate(Gate):
    """Compares the multiply-accumulates of KleidiAI's kernels with a stored number.

    Fewer are as bad as more: other kernels, which are not counted, then do the rest.
    """

    name = "products"

    def required(self, subject: Subject) -> bool:
        """Require it where a cost is stored and instructions cannot be counted."""
        return subject.stored_cost is not None and subject.machine.emulated and not subject.machine.counts

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare with the stored number."""
        found, stored = evidence.execution, evidence.subject.stored_cost
        return judge_products(evidence.case, found, stored) if found and stored is not None else None


def judge_products(case: Case, found: Execution, expected: int) -> Verdict:
    """Judge a program's products by the ``expected`` number."""
    more = found.cost - expected
    finding = (
        f"{found.cost:,} products by KleidiAI for its first image, {more / expected:+.2%} against the stored "
        f"{expected:,}; {COST_MARGIN:.0%} more or fewer are allowed."
    )
    passes = abs(more) <= COST_MARGIN * expected
    return decide(case, PRODUCTS.name, passes, finding, producer=found.producer, where=f" on {found.profile}")


PRODUCTS: Final = ProductsGate()
