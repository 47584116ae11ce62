"""The faults that are listed as invisible change nothing: planted in float64, answers stay what they were."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from faults_in_weights import block, pool
from kill_matrix import INVISIBLE
from torch import Tensor
from towers import load_tower

from pe_validate.data.compare import compare
from pe_validate.models.perception_encoder.vision import tower as towers
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.tower import VisionTower, rope_angles

Plant = Callable[[VisionTower, pytest.MonkeyPatch], None]
FLOAT64_DB = 240.0
"""Twelve decimal digits: what reordered float64 sums keep at least."""


def keys_of_pooling_without_bias(tower: VisionTower, patch: pytest.MonkeyPatch) -> None:
    pool(tower).attn.in_proj_bias.chunk(3)[1].zero_()


def all_positions_moved(tower: VisionTower, patch: pytest.MonkeyPatch) -> None:
    def moved(config: ModelConfig, grid: tuple[int, int]) -> Tensor:
        angles = rope_angles(config, grid)
        return angles + (angles[1] - angles[0])

    patch.setattr(towers, "rope_angles", moved)


def stream_raised(tower: VisionTower, patch: pytest.MonkeyPatch) -> None:
    block(tower, 2).mlp.c_proj.bias.add_(3.0)


def heads_in_another_order(tower: VisionTower, patch: pytest.MonkeyPatch) -> None:
    attention, size = block(tower, 1).attn, tower.config.head_dim
    for joint in (attention.in_proj_weight, attention.in_proj_bias):
        joint.copy_(torch.cat([part.roll(size, dims=0) for part in joint.clone().chunk(3)]))
    attention.out_proj.weight.copy_(attention.out_proj.weight.roll(size, dims=1))


def hidden_units_in_another_order(tower: VisionTower, patch: pytest.MonkeyPatch) -> None:
    mlp = block(tower, 4).mlp
    mlp.c_fc.weight.copy_(mlp.c_fc.weight.roll(7, dims=0))
    mlp.c_fc.bias.copy_(mlp.c_fc.bias.roll(7))
    mlp.c_proj.weight.copy_(mlp.c_proj.weight.roll(7, dims=1))


def queries_doubled_and_keys_halved(tower: VisionTower, patch: pytest.MonkeyPatch) -> None:
    attention, width = block(tower, 5).attn, tower.config.width
    for joint in (attention.in_proj_weight, attention.in_proj_bias):
        joint[:width] *= 2
        joint[width : 2 * width] /= 2


PLANTS: dict[str, Plant] = {
    "bias of the pooling's keys missing": keys_of_pooling_without_bias,
    "every rotated position moved by one, the class token's too": all_positions_moved,
    "every value of a stream raised by one number": stream_raised,
    "heads in another order, in every tensor alike": heads_in_another_order,
    "hidden units in another order, in both layers alike": hidden_units_in_another_order,
    "queries doubled and keys halved": queries_doubled_and_keys_halved,
}


def test_every_fault_that_is_listed_is_planted_but_for_those_of_integers() -> None:
    assert INVISIBLE.keys() - PLANTS.keys() == {"a zero point off by one in producer and reader"}


@pytest.mark.parametrize("name", PLANTS)
def test_an_invisible_fault_changes_no_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    image = torch.rand((1, 3, 64, 64), generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 2 - 1
    sound, sick = (load_tower("PE-Nano").double() for _ in range(2))
    with torch.no_grad():
        expected = sound(image).numpy()
        before = {key: value.clone() for key, value in sick.state_dict().items()}
        PLANTS[name](sick, monkeypatch)
        found = sick(image).numpy()
    changed = any(not torch.equal(value, before[key]) for key, value in sick.state_dict().items())
    assert changed or name.startswith("every rotated position")
    assert compare(expected, found).snr_db > FLOAT64_DB
