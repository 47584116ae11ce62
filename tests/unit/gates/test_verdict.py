"""Verdicts: every limit can fail alone, and the sentence explains the failure by itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pe_validate.gates.verdicts import (
    ARITHMETIC,
    STORAGE,
    breach,
    judge,
    judge_accuracy,
    judge_arithmetic,
    judge_compression,
    judge_delegation,
    judge_retrieval,
    judge_weights,
    precision_of,
)

from pe_validate.case import MATRIX, PRECISIONS, Case
from pe_validate.data.comparison import Comparison, compare, worst
from pe_validate.data.limits import AccuracyTolerance, AgreementTolerance, Limits, Tolerance
from pe_validate.data.outputs import Outputs
from pe_validate.data.structure import Delegation, Weight
from pe_validate.data.tasks import Accuracy, Agreement
from pe_validate.data.verdict import Verdict
from pe_validate.gates.limits import Gate, tolerance

Array = NDArray[np.float32]

CASE = Case("PE-Core-T16-384", "onnx", "fp32")
PTE = Case("PE-Core-T16-384", "pte", "fp32")
ROW = Tolerance(Limits(1e-2, 40, 0.999), Limits(1e-4, 80, 0.9999), "someone said so.")
KEPT = Comparison(max_abs=5.0, max_rel=1e-3, snr_db=60.0, cosine=0.9999, finite=True)
WORST = Comparison(math.inf, math.inf, -math.inf, -1.0, finite=False)

BROKEN = {
    "max_rel": (replace(KEPT, max_rel=0.02), "max |Δ| 0.02 σ, limit 0.01 σ"),
    "snr_db": (replace(KEPT, snr_db=39.5), "SNR 39.5 dB, limit 40 dB"),
    "cosine": (replace(KEPT, cosine=0.9985), "cosine 0.998500, limit 0.999"),
    "finite": (replace(KEPT, finite=False), "a value that is not finite"),
}


def outputs(producer: str, **features: Array) -> Outputs:
    return Outputs(producer, features)


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
    assert breach(replace(KEPT, **{limit: bound}), ROW) == ""
    assert breach(replace(KEPT, **{limit: math.nextafter(bound, outwards)}), ROW) != ""


@pytest.mark.parametrize("number", ["max_rel", "snr_db", "cosine"])
def test_a_number_that_is_nan_breaks_its_limit(number: str) -> None:
    assert "nan" in breach(replace(KEPT, **{number: math.nan}), ROW)


def test_the_best_comparison_there_is_keeps_the_tightest_limits() -> None:
    tightest = replace(ROW, limit=Limits(0.0, math.inf, 1.0))
    assert breach(Comparison(0.0, 0.0, math.inf, 1.0, finite=True), tightest) == ""


@pytest.mark.parametrize("gate", ["fidelity", "identity", "loss"])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_what_was_measured_of_correct_conversions_passes(case: Case, gate: Gate) -> None:
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
def test_a_failure_names_case_gate_input_producers_observed_limit_and_reason(gate: Gate) -> None:
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
        f"cosine {found.cosine:.6f}, limit {row.limit.cosine:g}",
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


def test_one_delegate_call_and_nothing_outside_passes() -> None:
    verdict = judge_delegation(PTE, Delegation(1, ()))
    assert verdict.status == "pass"
    assert verdict.sentence == (f"{PTE} passes delegation: 1 delegate call; one call and none outside are wanted.")


@pytest.mark.parametrize(
    ("delegation", "found"),
    [
        (Delegation(0, ()), "0 delegate calls;"),
        (Delegation(2, ()), "2 delegate calls;"),
        (Delegation(27, ()), "27 delegate calls;"),
        (Delegation(1, ("aten::cumsum.out",)), "1 delegate call and 1 operators outside (aten::cumsum.out);"),
        (
            Delegation(3, ("b.out", "a.out", "b.out")),
            "3 delegate calls and 3 operators outside (a.out, b.out);",
        ),
        (Delegation(0, ("a.out",)), "0 delegate calls and 1 operators outside (a.out);"),
    ],
    ids=str,
)
def test_anything_but_one_whole_delegate_call_fails_and_is_counted_and_named(
    delegation: Delegation, found: str
) -> None:
    verdict = judge_delegation(PTE, delegation)
    assert verdict.status == "fail"
    assert verdict.sentence.startswith(f"{PTE} fails delegation: {found}"), verdict.sentence


INT8 = Case("PE-Core-T16-384", "pte", "int8")
PROMISED = {"linear qdint8 × qcint8": 990, "linear fp32 × fp32": 10, "bmm fp32 × fp32": 500}


def test_averages_in_float32_do_not_break_an_arithmetic_promise() -> None:
    assert judge_arithmetic(INT8, Delegation(1, (), PROMISED)).status == "pass"


@pytest.mark.parametrize(
    "products",
    [
        {},
        {"linear fp32 × fp32": 1000},
        {"linear qdint8 × qbint4": 1000},
        {"linear qint8 × qcint8": 1000},
        PROMISED | {"linear fp32 × fp32": 11},
        {"bmm qdint8 × qcint8": 1000},
    ],
    ids=["none", "float", "four bits", "static", "a layer left in float", "not in a linear layer"],
)
def test_other_arithmetic_than_promised_fails_and_is_named(products: dict[str, int]) -> None:
    verdict = judge_arithmetic(INT8, Delegation(1, (), products))
    assert verdict.status == "fail"
    assert "qdint8 × qcint8 are wanted" in verdict.sentence
    for key in products:
        assert key.removeprefix("linear ") in verdict.sentence or not key.startswith("linear ")


@pytest.mark.parametrize("precision", PRECISIONS["pte"])
def test_a_program_says_its_precision_by_its_arithmetic(precision: str) -> None:
    assert (
        precision_of(Delegation(1, (), {f"linear {ARITHMETIC[precision]}": 100, "bmm fp32 × fp32": 900})) == precision
    )


AGREEMENT = AgreementTolerance(Agreement(0.9, 0.8), Agreement(1, 0.95), "someone said so.")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (Agreement(0.9, 0.8), "pass"),
        (Agreement(1, 1), "pass"),
        (Agreement(0.89, 1), "fail"),
        (Agreement(1, 0.79), "fail"),
        (Agreement(0, 0), "fail"),
    ],
)
def test_both_shares_of_kept_neighbours_count(found: Agreement, status: str) -> None:
    verdict = judge_retrieval(INT8, "a runtime", found, AGREEMENT)
    assert verdict.status == status
    assert verdict.agreement == found
    assert ("someone said so." in verdict.sentence) == (status == "fail")


@pytest.mark.parametrize(("top1", "status"), [(0.900, "pass"), (0.895, "pass"), (0.894, "fail"), (0.95, "pass")])
def test_accuracy_may_lose_what_the_table_allows_and_gain_anything(top1: float, status: str) -> None:
    row = AccuracyTolerance(0.5, 0.1, "someone said so.")
    verdict = judge_accuracy(INT8, "a runtime", Accuracy(top1, 0.9, 1000), row)
    assert verdict.status == status
    assert f"{top1:.1%} of 1000 held-out images, float32 90.0%" in verdict.sentence


PACKAGE = Case("PE-Core-T16-384", "mlpackage", "int8")
STORED = (
    Weight("expand", (768, 192), STORAGE["int8"], 150_000, "linear"),
    Weight("patches", (192, 3, 16, 16), "float16", 300_000, "conv"),
    Weight("positions", (1, 577, 192), "float16", 220_000),
    Weight("axes", (3,), "int32", 12),
)


def judged(index: int, **change: str) -> Verdict:
    weights = list(STORED)
    weights[index] = replace(weights[index], **change)
    return judge_compression(PACKAGE, weights)


def test_a_package_whose_matrices_alone_are_compressed_passes() -> None:
    verdict = judge_compression(PACKAGE, STORED)
    assert (verdict.gate, verdict.status) == ("compression", "pass")
    assert "1 matrices are stored as int8, a scale for each channel, every other tensor as float16" in verdict.sentence


@pytest.mark.parametrize("storage", ["float16", "float32", "int8", "int4, blocks of 32", "8-bit palette"])
def test_a_matrix_that_is_stored_otherwise_fails_by_name(storage: str) -> None:
    verdict = judged(0, storage=storage)
    assert verdict.status == "fail"
    assert f"'expand' is stored as {storage}" in verdict.sentence


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("storage", ["float32", "int8, a scale for each channel", "8-bit palette"])
def test_a_table_or_convolution_that_is_compressed_fails_by_name(index: int, storage: str) -> None:
    verdict = judged(index, storage=storage)
    assert verdict.status == "fail"
    assert f"'{STORED[index].name}' is stored as {storage}" in verdict.sentence


def test_a_package_without_a_matrix_is_not_compressed() -> None:
    assert judge_compression(PACKAGE, STORED[1:]).status == "fail"


PROGRAM = Delegation(1, (), constants=("aa", "bb", "cc"))


def test_a_program_that_stores_its_graphs_weights_passes() -> None:
    assert judge_weights(PTE, PROGRAM, {"one.weight": "aa", "two.weight": "cc"}).status == "pass"
    assert judge_weights(PTE, PROGRAM, {}).status == "pass"


def test_a_program_that_names_no_constants_is_not_the_graphs() -> None:
    assert judge_weights(PTE, Delegation(1, ()), {"one.weight": "aa"}).status == "fail"
    assert "names none" in judge_weights(PTE, Delegation(1, ()), {}).sentence


def test_a_weight_that_is_not_in_the_program_is_named() -> None:
    verdict = judge_weights(PTE, PROGRAM, {"one.weight": "aa", "two.weight": "dd"})
    assert verdict.status == "fail"
    assert verdict.layers == ("two.weight",)
    assert "'two.weight' of the graph is not in the program" in verdict.sentence


def test_a_constant_that_was_altered_fails_whether_or_not_its_graph_is_known() -> None:
    altered = replace(PROGRAM, altered=("scale_1",))
    assert "'scale_1' was altered since it was written" in judge_weights(PTE, altered, {}).sentence
    assert judge_weights(PTE, altered, {"one.weight": "aa"}).status == "fail"
