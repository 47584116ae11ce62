"""Intervals are those of their sources, and behave as intervals do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pe_validate.tasks.intervals import difference, exact_p, share


def pairs(both: int, lost: int, won: int, neither: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    before = np.repeat([True, True, False, False], [both, lost, won, neither])
    after = np.repeat([True, False, True, False], [both, lost, won, neither])
    return before, after


def test_a_fractions_interval_is_wilsons() -> None:
    """His interval solves (p - x)² = z² p (1 - p) / n for the ends p."""
    found, z = share(81, 263), 1.959964
    for end in (found.low, found.high):
        assert (found.value - end) ** 2 == pytest.approx(z**2 * end * (1 - end) / 263, rel=1e-5)


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [((36, 12, 2, 0), -0.3404, -0.0569), ((0, 12, 2, 36), -0.3404, -0.0569)],
    ids=["of Newcombe's table", "and all answers reversed"],
)
def test_a_differences_interval_is_newcombes(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    assert difference(*pairs(*cells)) == pytest.approx((-0.2, low, high), abs=1e-4)


COUNTS = st.tuples(*[st.integers(0, 60)] * 4).filter(lambda cells: sum(cells) > 0)


@given(COUNTS)
def test_a_differences_interval_holds_it_and_turns_round_with_it(cells: tuple[int, int, int, int]) -> None:
    before, after = pairs(*cells)
    found, low, high = difference(before, after)
    assert -1 <= low <= found <= high <= 1
    assert difference(after, before) == pytest.approx((-found, -high, -low), abs=1e-12)


@pytest.mark.parametrize("loss", [0.01, 0.04])
def test_nineteen_of_twenty_intervals_hold_the_true_difference(loss: float) -> None:
    rng, held = np.random.default_rng(0), 0
    for _ in range(400):
        before = rng.random(500) < 0.8
        after = np.where(rng.random(500) < 0.02 + loss, False, before) | (~before & (rng.random(500) < 0.08))
        truth = -0.8 * (0.02 + loss) + 0.2 * 0.08
        _, low, high = difference(before, after)
        held += low <= truth <= high
    assert held / 400 >= 0.93


@pytest.mark.parametrize(("lost", "won", "p"), [(0, 0, 1.0), (1, 0, 1.0), (5, 0, 2 / 32), (9, 1, 22 / 1024)])
def test_mcnemars_test_is_that_of_a_coin(lost: int, won: int, p: float) -> None:
    assert exact_p(lost, won) == pytest.approx(p)
