"""The comparator as mathematics: exact rational arithmetic is the reference, over the whole float32 range."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from arrays import float16, float32
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from pydantic import TypeAdapter

from pe_validate.data.compare import compare, compare_outputs, up_to_rounding
from pe_validate.data.comparison import Comparison, worst
from pe_validate.data.outputs import Array, Outputs

HUGE, TINY = 3e38, 1e-45
"""Nearly the largest float32, and the smallest denormal one."""

shapes = array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)  # the whole range, ±0 and denormals too
tensors = shapes.flatmap(lambda shape: arrays(np.float32, shape, elements=finite))
pairs = shapes.flatmap(
    lambda shape: st.tuples(arrays(np.float32, shape, elements=finite), arrays(np.float32, shape, elements=finite))
)
numbers = st.floats(allow_nan=False)
many = settings(max_examples=200)  # one takes a fraction of a millisecond, the profiles think of inferences
comparisons = st.builds(Comparison, numbers, numbers, numbers, numbers, st.booleans())


def features(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def exact(x: Array) -> list[Fraction]:
    return [Fraction(float(value)) for value in x.ravel()]


def energy(values: list[Fraction]) -> Fraction:
    return sum((value * value for value in values), Fraction(0))


def log10(value: Fraction) -> float:
    return math.log10(value.numerator) - math.log10(value.denominator)


@many
@given(tensors)
@example(np.zeros((2, 3), np.float32))
@example(np.full((2, 3), HUGE, np.float32))
@example(np.full((2, 3), TINY, np.float32))
def test_a_tensor_is_equal_to_itself(x: Array) -> None:
    same = compare(x, x.copy())
    assert (same.max_abs, same.max_rel, same.snr_db, same.finite) == (0, 0, math.inf, True)
    assert same.cosine == pytest.approx(1, abs=1e-12)


@many
@given(pairs)
def test_largest_difference_and_cosine_are_symmetric(pair: tuple[Array, Array]) -> None:
    forth, back = compare(*pair), compare(*reversed(pair))
    assert (forth.max_abs, forth.cosine) == (back.max_abs, back.cosine)


@many
@given(pairs)
@example((float32([HUGE, -HUGE]), float32([-HUGE, HUGE])))
@example((float32([TINY, 0]), float32([0, TINY])))
@example((float32([HUGE, TINY]), float32([HUGE, -TINY])))
def test_largest_difference_is_the_exact_one(pair: tuple[Array, Array]) -> None:
    r, a = map(exact, pair)
    assert compare(*pair).max_abs == pytest.approx(float(max(abs(x - y) for x, y in zip(r, a, strict=True))), rel=1e-12)


@many
@given(pairs)
@example((float32([HUGE, -HUGE]), float32([-HUGE, HUGE])))
@example((float32([TINY, 0]), float32([0, TINY])))
@example((float32([5, 5]), float32([5, 6])))
def test_relative_difference_is_in_standard_deviations_of_the_reference(pair: tuple[Array, Array]) -> None:
    r, a = map(exact, pair)
    mean = sum(r, Fraction(0)) / len(r)
    variance = energy([x - mean for x in r]) / len(r)
    largest = max(abs(x - y) for x, y in zip(r, a, strict=True))
    found = compare(*pair).max_rel
    if largest == 0:
        assert found == 0
    elif variance == 0:
        assert found == math.inf
    else:
        assert math.log10(found) == pytest.approx(log10(largest) - log10(variance) / 2, abs=1e-6)


@many
@given(pairs)
@example((float32([HUGE, -HUGE]), float32([-HUGE, HUGE])))
@example((float32([TINY, 0]), float32([0, TINY])))
@example((float32([HUGE, TINY]), float32([HUGE, -TINY])))
@example((float32([0, 0]), float32([0, 1])))
def test_snr_is_the_ratio_of_energies_in_decibels(pair: tuple[Array, Array]) -> None:
    r, a = map(exact, pair)
    signal, noise = energy(r), energy([y - x for x, y in zip(r, a, strict=True)])
    found = compare(*pair).snr_db
    if noise == 0:
        assert found == math.inf
    elif signal == 0:
        assert found == -math.inf
    else:
        assert found == pytest.approx(10 * (log10(signal) - log10(noise)), abs=1e-9)


@many
@given(pairs)
@example((float32([HUGE, HUGE]), float32([HUGE, -HUGE])))
@example((float32([TINY, TINY]), float32([TINY, TINY])))
@example((float32([HUGE, HUGE]), float32([TINY, TINY])))
def test_cosine_is_that_of_the_worst_token(pair: tuple[Array, Array]) -> None:
    expected = []
    for r, a in zip(*(map(exact, x.reshape(-1, x.shape[-1])) for x in pair), strict=True):
        dot, lengths = sum((x * y for x, y in zip(r, a, strict=True)), Fraction(0)), energy(r) * energy(a)
        if lengths:
            expected.append(math.copysign(math.sqrt(dot * dot / lengths), dot))
        else:
            expected.append(float(energy(r) == energy(a)))
    assert compare(*pair).cosine == pytest.approx(min(expected), abs=1e-12)


@many
@given(pairs, st.integers(-60, 60), st.sampled_from([-1, 1]))
def test_scaling_both_sides_scales_only_the_largest_difference(
    pair: tuple[Array, Array], exponent: int, sign: int
) -> None:
    factor = sign * 2.0**exponent  # a power of two, so that scaling itself rounds nothing
    plain, scaled = compare(*pair), compare(*(x.astype(np.float64) * factor for x in pair))
    assert scaled.max_abs == plain.max_abs * abs(factor)
    assert (scaled.max_rel, scaled.snr_db, scaled.cosine) == (plain.max_rel, plain.snr_db, plain.cosine)


@many
@given(st.integers(0, 2**32 - 1), st.floats(-4, -1))
def test_ten_times_the_noise_is_twenty_decibels_less(seed: int, exponent: float) -> None:
    reference, noise = features(seed, 4, 16), 10**exponent * features(seed + 1, 4, 16)
    quiet, loud = compare(reference, reference + noise), compare(reference, reference + 10 * noise)
    assert quiet.snr_db - loud.snr_db == pytest.approx(20, abs=1e-6)
    assert loud.max_rel / quiet.max_rel == pytest.approx(10, rel=1e-6)


def test_snr_of_one_part_in_a_thousand_is_sixty_decibels() -> None:
    reference = features(0, 3, 8)
    assert compare(reference, 1.001 * reference).snr_db == pytest.approx(60, abs=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [(True, False), (False, True), (True, True)], ids=["reference", "actual", "both"])
def test_one_value_that_is_not_finite_gives_the_worst_numbers(value: float, where: tuple[bool, bool]) -> None:
    sides = [features(0, 5, 7), features(0, 5, 7)]
    for side, bad in zip(sides, where, strict=True):
        if bad:
            side[2, 3] = value
    assert compare(*sides) == Comparison(math.inf, math.inf, -math.inf, -1.0, finite=False)


def test_the_two_zeros_are_equal() -> None:
    assert compare(float32([0.0, -0.0, 1]), float32([-0.0, 0.0, 1])).snr_db == math.inf


@many
@given(pairs)
def test_finite_tensors_never_give_nan(pair: tuple[Array, Array]) -> None:
    found = compare(*pair)
    assert found.finite
    assert not any(map(math.isnan, (found.max_abs, found.max_rel, found.snr_db, found.cosine))), found
    assert -1 <= found.cosine <= 1


@pytest.mark.parametrize("token", range(4))
def test_one_reversed_token_among_many_decides_the_cosine(token: int) -> None:
    reference = features(0, 1, 4, 16)
    actual = reference.copy()
    actual[0, token] *= -1
    assert compare(reference, actual).cosine == pytest.approx(-1)


@pytest.mark.parametrize(
    ("reference", "actual", "cosine"),
    [([0, 0], [0, 0], 1), ([0, 0], [1, 0], 0), ([1, 0], [0, 0], 0), ([[0, 0], [1, 1]], [[0, 0], [-1, -1]], -1)],
)
def test_zero_vectors_agree_with_each_other_alone(reference: list[float], actual: list[float], cosine: float) -> None:
    assert compare(reference, actual).cosine == pytest.approx(cosine)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3)], ids=str)
def test_there_has_to_be_something_to_compare(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        compare(np.zeros(shape), np.zeros(shape))


def test_a_number_without_axes_is_compared_too() -> None:
    assert compare(np.float32(4), np.float32(4)).snr_db == math.inf
    assert compare(np.float32(4), np.float32(5)).max_abs == 1


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 1), (3, 2), (1, 2, 3)], ids=str)
def test_shapes_have_to_be_equal_and_are_never_broadcast(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot be compared") as refusal:
        compare(np.zeros((2, 3)), np.zeros(shape))
    assert str((2, 3)) in str(refusal.value)
    assert str(shape) in str(refusal.value)


def test_low_precision_is_widened_before_it_is_subtracted() -> None:
    largest = float(np.finfo(np.float16).max)
    assert compare(float16([largest, 1]), float16([-largest, 1])).max_abs == 2 * largest


def test_inputs_are_left_as_they_were() -> None:
    reference, actual = features(0, 2, 3), features(1, 2, 3)
    before = reference.copy(), actual.copy()
    compare(reference, actual)
    np.testing.assert_array_equal((reference, actual), before)


@many
@given(st.lists(comparisons, min_size=1, max_size=5))
def test_the_worst_of_several_is_the_worst_of_each_number(several: list[Comparison]) -> None:
    overall = worst(several)
    assert all(overall.max_abs >= c.max_abs and overall.max_rel >= c.max_rel for c in several)
    assert all(overall.snr_db <= c.snr_db and overall.cosine <= c.cosine for c in several)
    assert overall.finite == all(c.finite for c in several)
    for number in ("max_abs", "max_rel", "snr_db", "cosine"):
        assert getattr(overall, number) in [getattr(c, number) for c in several]


@many
@given(comparisons)
def test_the_worst_of_one_is_itself(one: Comparison) -> None:
    assert worst([one]) == one


def test_there_is_no_worst_of_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst([])


def test_outputs_are_compared_by_the_name_of_the_input_in_any_order() -> None:
    x, y = float32([[1, 2]]), float32([[3, 4]])
    found = compare_outputs(Outputs("one", {"x": x, "y": y}), Outputs("two", {"y": y, "x": 2 * x}))
    assert found == {"x": compare(x, 2 * x), "y": compare(y, y)}


@pytest.mark.parametrize("answered", [{}, {"x": 0}, {"x": 0, "y": 0, "z": 0}, {"x": 0, "Y": 0}], ids=str)
def test_outputs_of_other_inputs_are_refused_naming_both_producers(answered: dict[str, int]) -> None:
    ones = np.ones((1, 2), np.float32)
    with pytest.raises(ValueError, match="the model and the artifact did not answer the same inputs"):
        compare_outputs(
            Outputs("the model", {"x": ones, "y": ones}), Outputs("the artifact", dict.fromkeys(answered, ones))
        )


@many
@given(comparisons)
@example(Comparison(math.inf, math.inf, -math.inf, -1.0, finite=False))
def test_a_comparison_survives_json(comparison: Comparison) -> None:
    adapter = TypeAdapter(Comparison)
    assert adapter.validate_json(adapter.dump_json(comparison)) == comparison


def left(reference: Array, rounded: Array) -> NDArray[np.float64]:
    """What a number in float16 differs from a reference by, once it is compared up to its rounding."""
    found = up_to_rounding(Outputs("float32", {"x": reference}), Outputs("float16", {"x": rounded})).features["x"]
    return np.abs(found.astype(np.float64) - rounded)


@many
@given(arrays(np.float32, 8, elements=st.floats(-65519, 65519, width=32)))
@example(np.array([65504, -65504, 65519, 0, -0.0, 6e-8, 2e-8, 1], np.float32))
def test_a_number_equals_what_it_was_rounded_to(x: Array) -> None:
    assert not left(x, x.astype(np.float16).astype(np.float32)).any()


@many
@given(
    arrays(np.float32, 4, elements=st.floats(-60000, 60000, width=32)),
    arrays(np.float16, 4, elements=st.floats(-60000, 60000, width=16)),
)
def test_rounding_forgives_half_a_unit_in_the_last_place_and_no_more(x: Array, half: NDArray[np.float16]) -> None:
    rounded = half.astype(np.float32)
    whole, unit = np.abs(x.astype(np.float64) - rounded), np.spacing(np.abs(half)).astype(np.float64)
    beyond, ulp = left(x, rounded), np.spacing(np.maximum(np.abs(x), np.abs(rounded)))
    assert (beyond <= whole + ulp).all()
    assert (beyond >= whole - unit / 2 - ulp).all()


def test_a_number_that_is_not_finite_is_compared_as_it_is() -> None:
    x = np.array([70000, 1], np.float32)
    assert not np.isfinite(left(x, np.array([np.inf, 1], np.float32))).all()
