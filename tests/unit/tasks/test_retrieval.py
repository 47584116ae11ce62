"""Neighbours that stay and neighbours that change are counted as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe_validate.data.tasks import Agreement, Neighbours
from pe_validate.tasks.retrieval import SHOWN, agreement, moved

BANK = np.eye(8)[:, :8]


def query(*nearest: int) -> np.ndarray:
    """A vector whose neighbours in BANK are ``nearest``, in that order."""
    vector = np.zeros(8)
    for rank, index in enumerate(nearest):
        vector[index] = 1 - rank / 10
    return vector


def approximately(top1: float, top5: float) -> Agreement:
    """What equals an agreement whose second share is rounded in another order."""
    about: Any = pytest.approx(top5)
    return Agreement(top1, about)


def test_the_same_embedding_keeps_every_neighbour() -> None:
    assert agreement(BANK, [query(0, 1, 2, 3, 4)], [query(0, 1, 2, 3, 4)]) == Agreement(1, 1)


def test_two_neighbours_that_change_places_lose_the_first_alone() -> None:
    assert agreement(BANK, [query(0, 1, 2, 3, 4)], [query(1, 0, 2, 3, 4)]) == Agreement(0, 1)


def test_a_neighbour_that_leaves_the_five_is_a_fifth() -> None:
    assert agreement(BANK, [query(0, 1, 2, 3, 4)], [query(0, 1, 2, 3, 5)]) == approximately(1, 0.8)


def test_queries_are_averaged() -> None:
    expected = [query(0, 1, 2, 3, 4), query(3, 4, 5, 6, 7)]
    found = [query(0, 1, 2, 3, 4), query(0, 1, 2, 3, 4)]
    assert agreement(BANK, expected, found) == approximately(0.5, (1 + 0.4) / 2)


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_length_does_not_matter(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bank, queries = rng.standard_normal((20, 6)), rng.standard_normal((5, 6))
    assert agreement(bank * scale, queries, queries * scale) == Agreement(1, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_neighbours(bad: float) -> None:
    assert agreement(BANK, [query(0, 1, 2, 3, 4)], [np.full(8, bad)]) == Agreement(0, 0)


def test_zero_is_not_a_crash() -> None:
    assert 0 <= agreement(BANK, [query(7, 6, 5, 4, 3)], [np.zeros(8)]).top5 < 1


@pytest.mark.parametrize("shapes", [((8, 8), (1, 7), (1, 7)), ((8, 8), (2, 8), (1, 8)), ((4, 8), (1, 8), (1, 8))])
def test_what_does_not_fit_is_an_error(shapes: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match=r"do not fit|have no"):
        agreement(*(np.ones(shape) for shape in shapes))


ENTRIES = [f"entry {number}" for number in range(8)]


def test_neighbours_that_changed_are_told_by_name_the_most_first() -> None:
    expected = [query(0, 1, 2, 3, 4), query(0, 1, 2, 3, 4), query(3, 4, 5, 6, 7)]
    found = [query(0, 1, 2, 3, 4), query(1, 0, 2, 3, 4), query(0, 1, 2, 3, 4)]
    first, second = moved(BANK, expected, found, ["same", "swapped", "lost"], ENTRIES)
    assert first.query == "lost"
    assert second == Neighbours(
        "swapped", tuple(ENTRIES[n] for n in (0, 1, 2, 3, 4)), tuple(ENTRIES[n] for n in (1, 0, 2, 3, 4))
    )


def test_neighbours_that_stay_are_not_told() -> None:
    assert moved(BANK, [query(0, 1, 2, 3, 4)], [query(0, 1, 2, 3, 4)], ["same"], ENTRIES) == ()


def test_few_queries_are_told_of_and_those_that_are_not_finite_too() -> None:
    found = moved(BANK, [query(7, 6, 5, 4, 3)] * 9, [np.full(8, np.nan)] * 9, list("abcdefghi"), ENTRIES)
    assert [each.query for each in found] == ["a", "b"][:SHOWN]
