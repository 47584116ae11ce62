"""parity: a program gives about the same outputs on another machine as on this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class ParityGate(NumbersGate):
    """Compares the program with itself on this machine's own CPU."""

    name = "parity"

    def required(self, subject: Subject) -> bool:
        """Require it of programs that run on another machine."""
        return not subject.here

    def excused(self, evidence: Evidence) -> bool:
        """Waive the gate if this machine's CPU cannot run the program."""
        return evidence.native is None

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare if this machine's CPU can run the program."""
        return None if evidence.native is None else super().judge(evidence)

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the outputs on this machine and on the other."""
        assert evidence.native
        return evidence.native, evidence.answers(self.purpose)


PARITY: Final = ParityGate()
