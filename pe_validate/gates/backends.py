"""backends: two targets that an app may use in each other's place answer alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class BackendsGate(NumbersGate):
    """The same model by another target on the same device."""

    name = "backends"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Ask it of nothing: the other one may not have been asked for."""
        return False

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare where both have answered."""
        return super().judge(evidence) if evidence.partner and evidence.subject.here else None

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the other with this one."""
        assert evidence.partner
        return evidence.partner, evidence.answers("model")


BACKENDS: Final = BackendsGate()
