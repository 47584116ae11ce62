"""Mistakes with a text tower alter it, each in its own way, leave it as it is, and begin where they say."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pe_validate.models.mistake import Mistake
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, START_OF_TEXT, TextConfig
from pe_validate.models.perception_encoder.text.deploy import deploy
from pe_validate.models.perception_encoder.text.mistakes import mistakes
from pe_validate.models.perception_encoder.text.places import place_of_layer, places_of
from pe_validate.models.perception_encoder.text.synthetic import seeded
from pe_validate.models.perception_encoder.text.tower import TextTower, empty_text_tower

CONFIG = TextConfig("small", width=64, heads=4, layers=3, output_dim=64, context=12)
MISTAKES = mistakes(CONFIG)
# Two ends, and something behind the first one.
TOKENS = np.array([[START_OF_TEXT, 5, 9, 320, END_OF_TEXT, 7, END_OF_TEXT, 0, 0, 0, 0, 0]], np.int32)


@pytest.fixture(scope="module")
def tower() -> TextTower:
    made = empty_text_tower(CONFIG)
    made.load_state_dict(seeded(CONFIG, 3), assign=True)
    return made.eval().requires_grad_(False)


def answer(tower: torch.nn.Module) -> NDArray[np.float32]:
    with torch.no_grad():
        features: NDArray[np.float32] = tower(torch.from_numpy(TOKENS)).numpy()
    return features


def test_there_are_fifteen_at_least_beside_those_of_blocks() -> None:
    assert len([mistake for mistake in MISTAKES if mistake.topic != "blocks"]) >= 15
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_a_mistake_alters_the_answer_and_not_the_tower(tower: TextTower, mistake: Mistake) -> None:
    before = answer(tower)
    assert np.abs(answer(mistake.alter(tower)) - before).max() > 1e-3
    np.testing.assert_array_equal(answer(tower), before)


def test_no_two_are_the_same(tower: TextTower) -> None:
    answers = {mistake.name: answer(mistake.alter(tower)) for mistake in MISTAKES}
    alike = [pair for pair in combinations(answers, 2) if np.abs(answers[pair[0]] - answers[pair[1]]).max() < 1e-3]
    assert alike == []


# A block that is called twice has one value.
ONCE = [mistake for mistake in MISTAKES if "repeated" not in mistake.name]


@pytest.mark.parametrize("mistake", ONCE, ids=lambda mistake: mistake.name)
def test_a_mistake_begins_where_it_says(tower: TextTower, mistake: Mistake) -> None:
    sound, sick = (places_of(each, TOKENS) for each in (tower, mistake.alter(tower)))
    first = next(
        place for place, value in sound.items() if place not in sick or np.abs(sick[place] - value).max() > 1e-6
    )
    assert mistake.may_begin_in(first), first


def test_the_rewrite_has_the_same_values_at_the_same_places(tower: TextTower) -> None:
    sound, rewrite = places_of(tower, TOKENS), places_of(deploy(tower, style="linear"), TOKENS)
    assert list(sound) == list(rewrite)
    assert list(sound)[0::6] == ["tokens", "block 2 MLP"]
    for place, value in sound.items():
        np.testing.assert_allclose(rewrite[place], value, atol=1e-3, err_msg=place)


def test_every_layer_of_the_rewrite_has_a_place(tower: TextTower) -> None:
    rewrite = deploy(tower, style="fused")
    found = [place_of_layer(name) for name, _ in rewrite.named_parameters()]
    assert None not in found
    places = list(places_of(rewrite, TOKENS))
    order = [places.index(place) for place in found if place is not None]
    assert all(one <= other for one, other in pairwise(sorted(set(order))))
