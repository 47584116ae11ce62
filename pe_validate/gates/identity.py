"""identity: a file that someone else made computes this model; tested strictly if its source is recognised.

The graph that the file was lowered from is unknown, so this gate, which compares the file's graph with the model,
takes the place of fidelity.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

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
"""Fraction of a source's weights that a file must store to count as made from it.

The model and its rewrite have fewer weights than that in common.
"""

UNKNOWN_SOURCE: Final = (
    " The form in which it was converted is not known, since it stores other matrices than the tower and than the "
    "rewrite do: what costs less than rounding weights, such as a GELU by tanh, is not seen."
)


class IdentityGate(NumbersGate):
    """Compares the file with the model, or with the graph that it was converted from."""

    name = "identity"
    purpose = "graph"
    shows_places = True

    def required(self, subject: Subject) -> bool:
        """Require it where the lowered graph is unknown."""
        return not subject.made_here

    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the outputs of the model and of the file's graph."""
        return evidence.reference.trained, evidence.answers(self.purpose)

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Judge a file strictly by the source that it was made from; by the model, more loosely, if that is unknown.

        Raises:
            RunError: the file cannot be read.
        """
        loose = super().judge(evidence)
        from pe_validate.data.compare import compare

        row = row_of(evidence.case, "form", Tolerance)
        if row is None or loose is None or not loose.comparisons:
            return loose
        reference, stored = evidence.reference, evidence.target.stored(evidence.path)
        first, actual = reference.inputs[0], evidence.answers(self.purpose)

        def likeness(source: Source) -> tuple[bool, float]:
            answers = evidence.as_given(self._answers(evidence, source, first_only=True), actual)
            answer = answers.features[first.name]
            return source.share(stored) >= KNOWN_SHARE, compare(answer, actual.features[first.name]).snr_db

        sources = evidence.target.sources(reference.module, reference.graph(evidence.case).module, evidence.path)
        source = max(sources, key=likeness)
        expected = evidence.as_given(self._answers(evidence, source), actual)
        strict = judge_numbers(evidence.case, self.name, expected, actual, row)
        if strict.status == "pass" or source.share(stored) >= KNOWN_SHARE:
            return strict
        return replace(loose, sentence=loose.sentence + UNKNOWN_SOURCE)

    def _answers(self, evidence: Evidence, source: Source, *, first_only: bool = False) -> Outputs:
        from pe_validate.targets.eager import EagerRuntime
        from pe_validate.targets.open import run

        runtime = EagerRuntime(source.module, evidence.model)
        runtime.producer += f" ({source.name})"
        return run(runtime, evidence.reference.inputs[: 1 if first_only else None])


IDENTITY: Final = IdentityGate()
