"""backends: two targets that an app may use interchangeably give about the same outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class BackendsGate(NumbersGate):
    """Compares the artifact with that of a partner target of the same model."""

    name = "backends"
    optional = True

    def required(self, subject: Subject) -> bool:
        """Require it of nothing: the partner may not have been validated."""
        return False

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare if the partner's outputs are known."""
        return super().judge(evidence) if evidence.partner and evidence.subject.here else None

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the partner's outputs and the artifact's."""
        assert evidence.partner
        return evidence.partner, evidence.answers(self.purpose)


BACKENDS: Final = BackendsGate()
