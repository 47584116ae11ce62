"""rewrite: the form that is lowered equals the model up to float32 rounding, before its numbers are reduced."""

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
    """Base class of gates that judge the lowered form of the model rather than the artifact, by the form's rows."""

    shows_places = True

    def find_row(self, case: Case, where: Sequence[str]) -> Tolerance | None:
        """Look up the row of limits for the form."""
        return case_form_row(case, self.name)


class RewriteGate(FormGate):
    """Compares the rewrite, without its approximation, with the model."""

    name = "rewrite"

    def required(self, subject: Subject) -> bool:
        """Require it of artifacts that were exported here."""
        return subject.here and subject.made_here

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the outputs of the model and of its rewrite."""
        return evidence.reference.trained, evidence.reference.rewritten(evidence.case)


REWRITE: Final = RewriteGate()
