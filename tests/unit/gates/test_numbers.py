"""Verdicts on numbers: every limit can fail alone, and the sentence explains the failure by itself."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pe_validate.case import MATRIX, Case
from pe_validate.data.compare import compare
from pe_validate.data.comparison import Comparison, worst
from pe_validate.data.limits import Limits, Tolerance
from pe_validate.data.outputs import Array, Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.numbers import apart, breach, judge_numbers
from pe_validate.gates.registry import tolerance

CASE = Case("PE-Core-T16-384", "onnx", "fp32")
ROW = Tolerance(Limits(1e-2, 40, 0.999), Limits(1e-4, 80, 0.9999), "someone said so.")
KEPT = Comparison(max_abs=5.0, max_rel=1e-3, snr_db=60.0, cosine=0.9999, finite=True)
WORST = Comparison(math.inf, math.inf, -math.inf, -1.0, finite=False)

BROKEN = {
    "max_rel": (replace(KEPT, max_rel=0.02), "max |Δ| 0.02 σ, limit 0.01 σ"),
    "snr_db": (replace(KEPT, snr_db=39.5), "SNR 39.5 dB, limit 40 dB"),
    "cosine": (replace(KEPT, cosine=0.9985), "cosine 0.998500, limit 0.999"),
    "finite": (replace(KEPT, finite=False), "a value that is not finite"),
}


NUMBERS = st.floats(-400, 400, allow_nan=False)


@given(observed=NUMBERS, limit=NUMBERS, style=st.sampled_from([".3g", ".1f", ".6f"]))
@example(observed=0.9999999989, limit=0.999999999, style=".6f")
@example(observed=106.96, limit=107.0, style=".1f")
def test_observed_and_limit_can_be_told_apart(observed: float, limit: float, style: str) -> None:
    found, bound = apart(observed, limit, style)
    assert (float(found) == float(bound)) <= (observed == pytest.approx(limit, rel=1e-14))


def changed(number: str, value: float) -> Comparison:
    """One number of a comparison that breaks no limit."""
    change: dict[str, Any] = {number: value}
    return replace(KEPT, **change)


def outputs(producer: str, **features: Array) -> Outputs:
    return Outputs(producer, features)


def judge(case: Case, gate: str, reference: Outputs, actual: Outputs) -> Verdict:
    """By the case's own row."""
    return judge_numbers(case, gate, reference, actual, tolerance(case, gate))


def noisy(seed: int, decibel: float, shape: tuple[int, ...] = (1, 512)) -> tuple[Array, Array]:
    """A reference, and the same with white noise ``decibel`` below it."""
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal(shape)
    noise = rng.standard_normal(shape)
    noise *= np.linalg.norm(reference) / np.linalg.norm(noise) / 10 ** (decibel / 20)
    return reference.astype(np.float32), (reference + noise).astype(np.float32)


def test_numbers_inside_every_limit_break_none() -> None:
    assert breach(KEPT, ROW) == ""


@pytest.mark.parametrize(("comparison", "fault"), BROKEN.values(), ids=BROKEN)
def test_each_limit_can_fail_alone_and_says_observed_and_limit(comparison: Comparison, fault: str) -> None:
    assert breach(comparison, ROW) == fault


def test_every_broken_limit_is_named() -> None:
    fault = breach(replace(KEPT, max_rel=0.02, snr_db=39.5, cosine=0.9985), ROW)
    assert fault == " and ".join(BROKEN[limit][1] for limit in ("max_rel", "snr_db", "cosine"))


@pytest.mark.parametrize("limit", ["max_rel", "snr_db", "cosine"])
def test_limits_are_inclusive(limit: str) -> None:
    bound = getattr(ROW.limit, limit)
    outwards = math.inf if limit == "max_rel" else -math.inf
    assert breach(changed(limit, bound), ROW) == ""
    assert breach(changed(limit, math.nextafter(bound, outwards)), ROW) != ""


@pytest.mark.parametrize("number", ["max_rel", "snr_db", "cosine"])
def test_a_number_that_is_nan_breaks_its_limit(number: str) -> None:
    assert "nan" in breach(changed(number, math.nan), ROW)


def test_the_best_comparison_there_is_keeps_the_tightest_limits() -> None:
    tightest = replace(ROW, limit=Limits(0.0, math.inf, 1.0))
    assert breach(Comparison(0.0, 0.0, math.inf, 1.0, finite=True), tightest) == ""


@pytest.mark.parametrize("gate", ["fidelity", "identity", "loss"])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_what_was_measured_of_correct_conversions_passes(case: Case, gate: str) -> None:
    row = tolerance(case, gate)
    measured = row.measured
    assert breach(Comparison(0.0, measured.max_rel, measured.snr_db, measured.cosine, finite=True), row) == ""


def test_a_pass_says_the_worst_number_and_its_limit() -> None:
    limit = tolerance(CASE, "fidelity").limit
    level = limit.snr_db + 5
    reference, actual = noisy(0, level)
    verdict = judge(CASE, "fidelity", outputs("the graph", x=reference), outputs("the artifact", x=actual))
    assert verdict.status == "pass"
    assert verdict.sentence == (
        f"{CASE} passes fidelity on 1 inputs: the artifact against the graph is at worst {level:.1f} dB, "
        f"limit {limit.snr_db:g} dB."
    )


@pytest.mark.parametrize("gate", ["fidelity", "identity", "loss"])
def test_a_failure_names_case_gate_input_producers_observed_limit_and_reason(gate: str) -> None:
    reference, actual = noisy(0, 20)
    row, found = tolerance(CASE, gate), compare(reference, actual)
    good = outputs("the graph", photograph=reference, checkerboard=reference)
    verdict = judge(CASE, gate, good, outputs("the artifact", photograph=reference, checkerboard=actual))
    assert verdict.status == "fail"
    for part in (
        f"{CASE} fails {gate} on 'checkerboard': ",
        "the artifact against the graph",
        f"max |Δ| {found.max_rel:.3g} σ, limit {row.limit.max_rel:g} σ",
        f"SNR {found.snr_db:.1f} dB, limit {row.limit.snr_db:g} dB",
        f"cosine {found.cosine:.6f}, limit {row.limit.cosine:.15g}",
        row.reason,
    ):
        assert part in verdict.sentence, verdict.sentence
    assert "\n" not in verdict.sentence


def test_of_several_failing_inputs_the_worst_is_named_and_the_others_are_counted() -> None:
    (reference, bad), (_, worse) = noisy(0, 20), noisy(0, 10)
    good = dict.fromkeys("abc", reference)
    verdict = judge(CASE, "loss", outputs("one", **good), outputs("two", a=bad, b=worse, c=reference))
    assert "on 'b' (2 of 3 inputs fail)" in verdict.sentence, verdict.sentence


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1], ids=["reference", "actual"])
def test_a_value_that_is_not_finite_fails_every_gate(value: float, side: int) -> None:
    pair = [noisy(0, 120)[0] for _ in range(2)]
    pair[side][0, 7] = value
    for case in MATRIX:
        for gate in ("fidelity", "identity", "loss"):
            verdict = judge(case, gate, outputs("one", x=pair[0]), outputs("two", x=pair[1]))
            assert verdict.status == "fail", verdict.sentence
            assert "not finite" in verdict.sentence
            assert verdict.worst == WORST


def test_nan_on_both_sides_is_no_agreement() -> None:
    nothing = np.full((1, 8), np.nan, np.float32)
    assert judge(CASE, "loss", outputs("one", x=nothing), outputs("two", x=nothing.copy())).status == "fail"


@pytest.mark.parametrize("shape", [(1, 8), (1, 1, 512), (512,), (1, 577, 512)], ids=str)
def test_features_of_another_shape_fail_naming_both_shapes(shape: tuple[int, ...]) -> None:
    reference, other = noisy(0, 120)[0], np.ones(shape, np.float32)
    verdict = judge(CASE, "identity", outputs("the model", x=reference), outputs("the artifact", x=other))
    assert verdict.status == "fail"
    for part in (f"{CASE} fails identity", "the artifact", str(list(shape)), str(list(reference.shape))):
        assert part in verdict.sentence, verdict.sentence


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.lists(st.floats(0, 150), min_size=1, max_size=4))
def test_a_case_passes_exactly_when_every_input_keeps_every_limit(seed: int, levels: list[float]) -> None:
    pairs = {f"{i}": noisy(seed, level) for i, level in enumerate(levels)}
    verdict = judge(
        CASE,
        "fidelity",
        outputs("one", **{name: reference for name, (reference, _) in pairs.items()}),
        outputs("two", **{name: actual for name, (_, actual) in pairs.items()}),
    )
    expected = {name: compare(*pair) for name, pair in pairs.items()}
    row = tolerance(CASE, "fidelity")
    assert verdict.comparisons == expected
    assert verdict.worst == worst(list(expected.values()))
    assert verdict.tolerance == row
    assert (verdict.status == "pass") == (not any(breach(c, row) for c in expected.values())), verdict.sentence


def test_a_verdict_keeps_who_computed_both_sides() -> None:
    reference, actual = noisy(0, 100)
    verdict = judge(CASE, "fidelity", outputs("the graph", x=reference), outputs("the artifact", x=actual))
    assert (verdict.reference, verdict.producer) == ("the graph", "the artifact")
    assert (verdict.case, verdict.gate) == (CASE, "fidelity")
