"""Images find their texts, and texts their images."""

from __future__ import annotations

import numpy as np

from pe_validate.tasks.recall import BLOCK, Embedded, ranks


def embedded(values: list[list[float]], image: list[int]) -> Embedded:
    return Embedded(np.array(values, np.float32), np.array(image))


IMAGES = embedded([[1, 0], [0, 5], [1, 1]], [0, 1, 2])
TEXTS = embedded([[2, 0.1], [0.1, 1], [0, 1], [-1, 0]], [0, 0, 1, 2])


def test_an_image_is_found_by_its_nearest_text() -> None:
    assert ranks(IMAGES, TEXTS).tolist() == [0, 0, 3]


def test_a_text_is_found_by_its_image() -> None:
    assert ranks(TEXTS, IMAGES).tolist() == [0, 2, 0, 1]


def test_equally_near_items_of_others_count_as_nearer() -> None:
    same = embedded([[1, 0], [1, 0], [1, 0]], [0, 1, 2])
    assert ranks(same, same).tolist() == [2, 2, 2]


def test_what_is_not_finite_or_has_nothing_of_its_own_finds_nothing() -> None:
    queries = embedded([[np.nan, 1], [1, 0]], [0, 7])
    assert ranks(queries, TEXTS).tolist() == [4, 4]


def test_an_item_that_is_not_finite_is_found_last() -> None:
    bank = embedded([[np.nan, 1], [0, 1]], [0, 1])
    assert ranks(embedded([[0, 1], [0, 1]], [0, 1]), bank).tolist() == [1, 0]


def test_many_queries_are_ranked_as_one_by_one() -> None:
    rng = np.random.default_rng(0)
    many = Embedded(rng.normal(size=(BLOCK + 5, 4)).astype(np.float32), np.arange(BLOCK + 5) % 7)
    bank = Embedded(rng.normal(size=(7, 4)).astype(np.float32), np.arange(7))
    single = [ranks(Embedded(many.values[i : i + 1], many.image[i : i + 1]), bank)[0] for i in range(BLOCK + 5)]
    assert ranks(many, bank).tolist() == single
