"""Comparison + Tolerance → Verdict: pass or fail, and a sentence that explains itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pe_validate.case import Case
from pe_validate.compare import Comparison, compare_outputs, worst
from pe_validate.export.artifact import Delegation
from pe_validate.runtime.base import Outputs
from pe_validate.tolerance import Gate, Tolerance, tolerance

Status = Literal["pass", "fail"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate says of one case."""

    case: Case
    gate: Gate | Literal["delegation"]
    status: Status
    sentence: str
    reference: str = ""
    producer: str = ""
    worst: Comparison | None = None
    comparisons: dict[str, Comparison] | None = None
    tolerance: Tolerance | None = None


def judge(case: Case, gate: Gate, reference: Outputs, actual: Outputs) -> Verdict:
    """Hold what an artifact computed against a reference, input by input."""
    row = tolerance(case, gate)
    for name, expected in reference.features.items():
        if name in actual.features and (found := actual.features[name].shape) != expected.shape:
            reason = f"it answers with shape {list(found)}, the model with {list(expected.shape)}"
            return refuse(case, gate, actual.producer, reason)
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


def refuse(case: Case, gate: Gate, producer: str, reason: str) -> Verdict:
    """The verdict on an artifact that cannot be the model, whatever its numbers."""
    return Verdict(case, gate, "fail", f"{case} fails {gate} in {producer}: {reason}.", producer=producer)


def breach(comparison: Comparison, row: Tolerance) -> str:
    """The limits that ``comparison`` breaks, each as 'observed, limit'; empty when it keeps them all."""
    limit = row.limit
    if not comparison.finite:
        return "a value that is not finite"
    broken = []
    if not comparison.max_rel <= limit.max_rel:
        broken.append(f"max |Δ| {comparison.max_rel:.3g} σ, limit {limit.max_rel:g} σ")
    if not comparison.snr_db >= limit.snr_db:
        broken.append(f"SNR {comparison.snr_db:.1f} dB, limit {limit.snr_db:g} dB")
    if not comparison.cosine >= limit.cosine:
        broken.append(f"cosine {comparison.cosine:.6f}, limit {limit.cosine:g}")
    return " and ".join(broken)


def judge_delegation(case: Case, delegation: Delegation) -> Verdict:
    """An ExecuTorch program must be one delegate call and nothing else: each more is a copy and a slow kernel."""
    whole = delegation.delegate_calls == 1 and not delegation.left_over
    found = f"{delegation.delegate_calls} delegate call{'s' * (delegation.delegate_calls != 1)}"
    if delegation.left_over:
        found += f" and {len(delegation.left_over)} operators outside ({', '.join(sorted(set(delegation.left_over)))})"
    sentence = f"{case} {'passes' if whole else 'fails'} delegation: {found}; one call and none outside are wanted."
    return Verdict(case, "delegation", "pass" if whole else "fail", sentence)
