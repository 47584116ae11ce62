"""identity: a file that someone else made is this model; exactly, where it is known how it was made.

Its graph is not known, so this takes the place of fidelity: the file's mathematics against the model.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pe_validate.data.comparison import compare
from pe_validate.data.limits import Tolerance
from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.limits import row_of
from pe_validate.gates.numbers import NumbersGate, judge_numbers

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence
    from pe_validate.targets.base import Source

KNOWN_SHARE: Final = 2 / 3
"""Share of a source's weights that a file must store to be taken for it. The model and its rewrite share less."""

UNKNOWN: Final = (
    " The form in which it was converted is not known, since it stores other matrices than the tower and than the "
    "rewrite do: what costs less than rounding weights, such as a GELU by tanh, is not seen."
)


class IdentityGate(NumbersGate):
    """The file against the model, or against the graph that it was converted from."""

    name = "identity"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Ask it where the graph is not known."""
        return not subject.made_here

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Compare the model with the file's graph."""
        return evidence.reference.trained, evidence.answers("graph")

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Hold a file to the source that it was made of; to the model itself, more loosely, if that is unknown.

        Raises:
            RunError: the file cannot be read.
        """
        loose = super().judge(evidence)
        row = row_of(evidence.case, "form", Tolerance)
        if row is None or loose is None or not loose.comparisons:
            return loose
        reference, stored = evidence.reference, evidence.target.stored(evidence.path)
        first, actual = reference.inputs[0], evidence.answers("graph")

        def likeness(source: Source) -> tuple[bool, float]:
            answer = self._answers(evidence, source, first_only=True).features[first.name]
            return source.share(stored) >= KNOWN_SHARE, compare(answer, actual.features[first.name]).snr_db

        sources = evidence.target.sources(reference.module, reference.graph(evidence.case).module)
        source = max(sources, key=likeness)
        strict = judge_numbers(evidence.case, self.name, self._answers(evidence, source), actual, row)
        if strict.status == "pass" or source.share(stored) >= KNOWN_SHARE:
            return strict
        return replace(loose, sentence=loose.sentence + UNKNOWN)

    def _answers(self, evidence: Evidence, source: Source, *, first_only: bool = False) -> Outputs:
        from pe_validate.targets.eager import EagerRuntime
        from pe_validate.targets.open import run

        runtime = EagerRuntime(source.module, evidence.model)
        runtime.producer += f" ({source.name})"
        return run(runtime, evidence.reference.inputs[: 1 if first_only else None])


IDENTITY: Final = IdentityGate()
