"""gelu: what the approximation in a form costs, against the same form without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.rewrite import FormGate
from pe_validate.targets.registry import recipe

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class GeluGate(FormGate):
    """A polynomial in the place of GELU."""

    name = "gelu"

    def required(self, subject: Subject) -> bool:
        """Ask it of what was made here in a form that approximates."""
        return subject.here and subject.made_here and subject.model.approximates(recipe(subject.case).form)

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the rewrite with and without the approximation."""
        reference, case = evidence.reference, evidence.case
        return reference.rewritten(case), reference.rewritten(case, exact=False)


GELU: Final = GeluGate()
