"""parity: a program on another machine answers as it does on this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class ParityGate(NumbersGate):
    """The same program on this machine's own CPU."""

    name = "parity"

    def required(self, subject: Subject) -> bool:
        """Ask it of what runs elsewhere."""
        return not subject.here

    def excused(self, evidence: Evidence) -> bool:
        """Excuse it where this machine's CPU cannot compute the program."""
        return evidence.native is None

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare where both have computed."""
        return None if evidence.native is None else super().judge(evidence)

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare this machine with the other."""
        assert evidence.native
        return evidence.native, evidence.answers("graph")


PARITY: Final = ParityGate()
