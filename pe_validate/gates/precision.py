"""precision: a file that someone else made is in a precision that its target is validated in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pe_validate.data.comparison import worst
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, MisfitError, Subject

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class PrecisionGate(Gate):
    """Fails a file whose precision has no limits, with its numbers."""

    name = "precision"

    def required(self, subject: Subject) -> bool:
        """Require it of files in other precisions, alone: limits belong to a precision."""
        return subject.unlisted is not None

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the file with the model, without a limit.

        Raises:
            RunError: it cannot be loaded or executed.
        """
        case, expected = evidence.case, evidence.reference.trained
        try:
            found = evidence.answers("model")
        except MisfitError as misfit:
            return self._verdict(evidence, misfit.producer, f"besides, {misfit.reason}.")
        if not evidence.comparable:
            return self._verdict(evidence, found.producer, "besides, its outputs have other shapes than the model's.")
        from pe_validate.data.compare import compare_outputs  # with numpy, which a printer of reports need not load

        comparisons = compare_outputs(expected, found)
        overall = worst(list(comparisons.values()))
        numbers = (
            f"it answers at worst {overall.snr_db:.1f} dB and cosine {overall.cosine:.6f} from the model. No limit "
            "tells whether that is enough: judge it as one of those with --precision, or export "
            f"{case.model}/{case.target} anew."
        )
        verdict = self._verdict(evidence, found.producer, numbers)
        return replace(verdict, reference=expected.producer, worst=overall, comparisons=comparisons)

    def _verdict(self, evidence: Evidence, producer: str, finding: str) -> Verdict:
        case, target = evidence.case, evidence.target
        sentence = (
            f"{case.model}/{case.target} fails {self.name}: it has {evidence.subject.unlisted}, and '{case.target}' "
            f"is validated in {', '.join(target.precisions)} alone; {finding}"
        )
        return Verdict(case, self.name, "fail", sentence, producer=producer)


PRECISION: Final = PrecisionGate()
