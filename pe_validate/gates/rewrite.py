"""rewrite: the form that is lowered is exact algebra; in float32, before anything is rounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.limits import Tolerance
from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.limits import case_form_row
from pe_validate.gates.numbers import NumbersGate

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class FormGate(NumbersGate):
    """One that judges not the artifact but the form of the model that is lowered: its rows are the form's."""

    shows_places = True

    def find_row(self, case: Case, where: Sequence[str]) -> Tolerance | None:
        """Look the row of the form up."""
        return case_form_row(case, self.name)


class RewriteGate(FormGate):
    """The rewrite without its approximation, against the model."""

    name = "rewrite"

    def required(self, subject: Subject) -> bool:
        """Ask it of what was made here."""
        return subject.here and subject.made_here

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the model and its rewrite."""
        return evidence.reference.trained, evidence.reference.rewritten(evidence.case)


REWRITE: Final = RewriteGate()
