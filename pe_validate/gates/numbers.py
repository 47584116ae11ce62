"""Gates that compare features with features, input by input, and judge them by a row of limits."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pe_validate.data.case import Case
from pe_validate.data.comparison import Comparison, worst
from pe_validate.data.limits import Tolerance
from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, MisfitError
from pe_validate.gates.limits import row_of
from pe_validate.targets.base import Purpose

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class NumbersGate(Gate):
    """Base class of gates that compare the two outputs that :meth:`pair` returns.

    ``purpose`` decides the reading of the artifact. ``rows_of`` names the gate whose rows of limits apply, if not its
    own.
    """

    purpose: ClassVar[Purpose] = "model"
    rows_of: ClassVar[str | None] = None

    @abstractmethod
    def pair(self, evidence: Evidence) -> tuple[Outputs, Outputs]:
        """Return the reference outputs, and the outputs to compare with them.

        Raises:
            MisfitError: the artifact cannot be the model, whatever its numbers.
        """

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the two outputs, input by input."""
        try:
            reference, actual = self.pair(evidence)
        except MisfitError as misfit:
            return refuse(evidence.case, self.name, misfit.producer, misfit.reason)
        reference = evidence.as_given(reference, actual)
        return judge_numbers(
            evidence.case, self.name, reference, actual, self.tolerance(evidence.case, evidence.machine.rows)
        )

    def tolerance(self, case: Case, where: Sequence[str] = ()) -> Tolerance:
        """Return the row of limits for a case: from the first machine in ``where`` that has one, else from its target.

        Raises:
            KeyError: there is none, which is a mistake in the table.
        """
        row = self.find_row(case, where)
        if row is None:
            raise KeyError(f"there is no row of limits for {case} {self.name}")
        return row

    def find_row(self, case: Case, where: Sequence[str]) -> Tolerance | None:
        """Look up the row of limits."""
        return row_of(case, self.rows_of or self.name, Tolerance, where)


def judge_numbers(case: Case, gate: str, reference: Outputs, actual: Outputs, row: Tolerance) -> Verdict:
    """Judge the outputs of an artifact by those of a reference, input by input."""
    for name, expected in reference.features.items():
        if name in actual.features and (found := actual.features[name].shape) != expected.shape:
            reason = f"it answers with shape {list(found)}, the model with {list(expected.shape)}"
            return refuse(case, gate, actual.producer, reason)
    from pe_validate.data.compare import compare_outputs  # with numpy, which a printer of reports need not load

    comparisons = compare_outputs(reference, actual)
    faults = {name: fault for name, c in comparisons.items() if (fault := breach(c, row))}
    overall = worst(list(comparisons.values()))
    if faults:
        name = min(faults, key=lambda name: comparisons[name].snr_db)
        others = f" ({len(faults)} of {len(comparisons)} inputs fail)" if len(faults) > 1 else ""
        sentence = (
            f"{case} fails {gate} on '{name}'{others}: {actual.producer} against {reference.producer} has "
            f"{faults[name]}; the limit is there because {row.reason}"
        )
        sentence = f"{sentence.removesuffix('.')}; {actual.notes[0]}." if actual.notes else sentence
    else:
        sentence = (
            f"{case} passes {gate} on {len(comparisons)} inputs: {actual.producer} against "
            f"{reference.producer} is at worst {overall.snr_db:.1f} dB, limit {row.limit.snr_db:g} dB."
        )
    return Verdict(
        case,
        gate,
        "fail" if faults else "pass",
        sentence,
        reference=reference.producer,
        producer=actual.producer,
        worst=overall,
        comparisons=comparisons,
        tolerance=row,
    )


def refuse(case: Case, gate: str, producer: str, reason: str) -> Verdict:
    """Return the failing verdict on an artifact that cannot be the model, whatever its numbers."""
    return Verdict(case, gate, "fail", f"{case} fails {gate} in {producer}: {reason}.", producer=producer)


def breach(comparison: Comparison, row: Tolerance) -> str:
    """Return a description of the limits that ``comparison`` breaks, each as 'observed, limit'; empty if none."""
    limit = row.limit
    if not comparison.finite:
        return "a value that is not finite"
    broken = []
    if not comparison.max_rel <= limit.max_rel:
        found, bound = apart(comparison.max_rel, limit.max_rel, ".3g")
        broken.append(f"max |Δ| {found} σ, limit {bound} σ")
    if not comparison.snr_db >= limit.snr_db:
        found, bound = apart(comparison.snr_db, limit.snr_db, ".1f")
        broken.append(f"SNR {found} dB, limit {bound} dB")
    if not comparison.cosine >= limit.cosine:
        found, bound = apart(comparison.cosine, limit.cosine, ".6f")
        broken.append(f"cosine {found}, limit {bound}")
    return " and ".join(broken)


def apart(observed: float, limit: float, style: str) -> tuple[str, str]:
    """Return both numbers in ``style``, with as many more digits as it takes to tell them apart."""
    bound = f"{limit:.15g}"
    digits = int(style[1:-1])
    while float(found := f"{observed:.{digits}{style[-1]}}") == limit != observed:
        digits += 1
    return found, bound
