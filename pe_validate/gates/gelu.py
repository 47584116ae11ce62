"""gelu: the error of a form's approximate GELU, against the same form with the exact one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.rewrite import FormGate
from pe_validate.targets.registry import recipe

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class GeluGate(FormGate):
    """Compares a form that approximates GELU by a polynomial with the same form without the approximation."""

    name = "gelu"

    def required(self, subject: Subject) -> bool:
        """Require it of artifacts that were exported here in a form that approximates."""
        return subject.here and subject.made_here and subject.model.approximates(recipe(subject.case).form)

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the outputs of the rewrite without and with the approximation."""
        reference, case = evidence.reference, evidence.case
        return reference.rewritten(case), reference.rewritten(case, exact=False)


GELU: Final = GeluGate()
