"""Which numbers count as moved: any on one machine, elsewhere those that leave the room of their limits."""

from __future__ import annotations

from dataclasses import replace
from math import inf, log10, nan
from typing import Any

import pytest
import sample_reports as sample
from hypothesis import given
from hypothesis import strategies as st

from pe_validate.data.comparison import Comparison
from pe_validate.data.limits import Limits, Tolerance
from pe_validate.data.tasks import Accuracy, Agreement
from pe_validate.data.verdict import Verdict
from pe_validate.gates.registry import tolerance
from pe_validate.report.noise import NUMBERS, USUAL_ROOM_DB, moves, room_of

ROW = Tolerance(Limits(2.4e-5, 107, 0.999999999), Limits(4.2e-6, 120, 0.9999999999), "sums")
SNR, MAX, COSINE = NUMBERS
HERE = Comparison(1e-5, 4e-6, 122.0, 0.99999999995, True)


def verdict(of: Comparison = HERE, row: Tolerance | None = ROW, **more: Any) -> Verdict:
    return replace(
        Verdict(sample.ONNX, "loss", "pass", "It passes.", worst=of, comparisons={"china": of}, tolerance=row),
        **more,
    )


def moved(base: Comparison, head: Comparison, row: Tolerance = ROW, *, exact: bool = False) -> dict[str, bool]:
    """The numbers that have moved, and whether for the worse."""
    return {move.name: move.worse for move in moves(verdict(base, row), verdict(head, row), exact=exact)}


@pytest.mark.parametrize("exact", [True, False])
def test_the_same_number_has_not_moved(exact: bool) -> None:
    assert moved(HERE, HERE, exact=exact) == {}
    lost = Comparison(inf, nan, -inf, -1, False)
    assert moved(lost, lost, exact=exact) == {}


@pytest.mark.parametrize("number", ["max_rel", "snr_db", "cosine"])
@pytest.mark.parametrize(("factor", "rises"), [(1 + 1e-14, True), (1 - 1e-14, False)])
def test_where_a_repeat_is_bit_identical_the_last_bit_counts(number: str, factor: float, rises: bool) -> None:
    other = replace(HERE, **{number: getattr(HERE, number) * factor})
    assert other != HERE
    assert list(moved(HERE, other, exact=True).values()) == [rises == (number == "max_rel")]
    assert moved(HERE, other) == {}


def test_the_room_is_a_quarter_of_what_lies_between_measured_and_limit() -> None:
    room = (120 - 107) / 4
    assert room_of(SNR, ROW).db == room
    assert moved(HERE, replace(HERE, snr_db=122 - 0.99 * room)) == {}
    assert moved(HERE, replace(HERE, snr_db=122 - 1.01 * room)) == {"SNR": True}
    assert moved(HERE, replace(HERE, snr_db=122 + 1.01 * room)) == {"SNR": False}


def test_a_row_that_says_nothing_of_what_was_measured_has_a_quarter_of_a_factor_of_three() -> None:
    own = Tolerance(ROW.limit, ROW.limit, "of a user's own")
    assert [room_of(number, own).db for number in NUMBERS] == [USUAL_ROOM_DB * part for part in (0.25, 0.5, 0.25)]


def test_the_largest_difference_has_twice_the_share() -> None:
    room = 20 * log10(2.4e-5 / 4.2e-6) / 2
    near = replace(HERE, max_rel=3e-6)
    assert moved(near, replace(near, max_rel=3e-6 * 10 ** (0.99 * room / 20))) == {}
    assert moved(near, replace(near, max_rel=3e-6 * 10 ** (1.01 * room / 20))) == {"max |Δ|": True}


def test_what_another_processor_was_measured_to_move_is_noise() -> None:
    """PE-Nano's extremes in ExecuTorch fp32, with PyTorch's kernels for AVX2 and with plain ones."""
    row = tolerance(sample.PTE, "loss")
    base = Comparison(1e-6, 1.415e-6, 124.17, 0.9999999999998093, True)
    assert moved(base, Comparison(1e-6, 2.485e-6, 122.53, 0.9999999999997243, True), row) == {}


def test_what_was_measured_as_equal_stays_equal() -> None:
    equal = Tolerance(ROW.limit, Limits(0, inf, 1), "an evaluator rounds as its reference does")
    bits = Comparison(0, 0, inf, 1, True)
    assert moved(bits, replace(bits, snr_db=150.0), equal) == {"SNR": True}
    assert moved(bits, replace(bits, max_rel=1e-9), equal) == {"max |Δ|": True}


def test_elsewhere_what_is_much_better_than_measured_is_as_good_as_equal() -> None:
    bits = Comparison(0, 0, inf, 1, True)
    assert moved(bits, Comparison(1e-7, 1e-7, 140, 1 - 1e-15, True)) == {}


def test_a_number_that_is_lost_has_moved() -> None:
    lost = Comparison(inf, inf, -inf, -1, False)
    assert moved(HERE, lost) == {"SNR": True, "max |Δ|": True, "cosine": True}
    assert moved(lost, HERE) == {"SNR": False, "max |Δ|": False, "cosine": False}


@given(st.floats(), st.floats(), st.booleans())
def test_no_number_is_too_odd_to_be_compared(before: float, after: float, exact: bool) -> None:
    base, head = (Comparison(1e-5, number, number, number, True) for number in (before, after))
    for move in moves(verdict(base), verdict(head), exact=exact):
        assert move.base != move.head
        assert move.why


def test_an_input_that_is_not_the_worst_counts_where_a_repeat_is_bit_identical() -> None:
    base, head = (verdict(comparisons={"china": HERE, "grey": replace(HERE, snr_db=snr)}) for snr in (130.0, 129.0))
    assert [move.name for move in moves(base, head, exact=True)] == ["'grey'"]
    assert moves(base, head, exact=False) == []


def test_numbers_without_limits_are_compared_where_a_repeat_is_bit_identical_alone() -> None:
    base, head = verdict(row=None), verdict(replace(HERE, snr_db=90), row=None)
    assert moves(base, head, exact=False) == []
    assert [move.name for move in moves(base, head, exact=True)] == ["SNR"]


@pytest.mark.parametrize(("after", "count"), [(0.95, 0), (0.947, 0), (0.94, 1), (0.96, 1)])
def test_half_a_point_of_neighbours_and_of_recognised_images_may_come_or_go(after: float, count: int) -> None:
    neighbours = [verdict(agreement=Agreement(share, 0.9)) for share in (0.95, after)]
    recognised = [verdict(accuracy=Accuracy(share, 0.97, 1000)) for share in (0.95, after)]
    for base, head in (neighbours, recognised):
        found = moves(base, head, exact=False)
        assert [move.worse for move in found] == [after < 0.95] * count
        assert len(moves(base, head, exact=True)) == int(after != 0.95)
