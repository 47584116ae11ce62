"""Compressed weights are those that the package will hold, and nothing but linear layers is compressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from pe_validate.targets.coreml.compression import BLOCK, Compression, compress_weights

COMPRESSIONS: tuple[Compression, ...] = get_args(Compression)
LEVELS: dict[Compression, int] = {"int8-weights": 255, "int4-weights": 15, "palette-8": 256, "palette-6": 64}


class Small(nn.Module):
    """Everything that a tower has: a convolution, a table, a norm and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 64, 4, 4)
        self.norm = nn.LayerNorm(64)
        self.first, self.second = nn.Linear(64, 96), nn.Linear(96, 64)
        self.register_buffer("table", torch.randn(16, 64))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.patches(x).flatten(2).transpose(1, 2) + self.table)
        y: Tensor = self.second(self.first(x))
        return x + y


def rounded() -> Small:
    module = Small().eval().requires_grad_(False)
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.copy_(tensor.half())
    return module


def compressed(how: Compression, change: Callable[[Small], object] = lambda module: None) -> nn.Module:
    module = rounded()
    with torch.no_grad():
        change(module)
    return compress_weights(module, how)


@pytest.mark.parametrize("how", COMPRESSIONS)
def test_linear_layers_alone_are_compressed(how: Compression) -> None:
    before, after = rounded().state_dict(), compressed(how).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"first.weight", "second.weight"}


@pytest.mark.parametrize("how", COMPRESSIONS)
def test_weights_take_no_more_values_than_their_bits_have(how: Compression) -> None:
    weight = compressed(how).get_parameter("first.weight")
    rows = {"int8-weights": weight, "int4-weights": weight.reshape(-1, BLOCK)}.get(how, weight.reshape(1, -1))
    assert max(row.unique().numel() for row in rows) <= LEVELS[how]
    assert max(row.unique().numel() for row in rows) > 2


@pytest.mark.parametrize("how", ["palette-8", "palette-6"])
def test_palettes_are_float16_as_a_package_stores_them(how: Compression) -> None:
    weight = compressed(how).get_parameter("second.weight")
    assert torch.equal(weight, weight.half().float())


@pytest.mark.parametrize("how", ["int8-weights", "int4-weights"])
def test_weights_are_whole_steps_of_a_float16_scale(how: Compression) -> None:
    layer = compressed(how).get_submodule("second")
    scale = layer.get_buffer("_COREML_/weight/quantization_scale")
    assert torch.equal(scale, scale.half().float())
    steps = layer.get_parameter("weight") / scale.repeat_interleave(96 // scale.shape[1], 1)
    assert torch.allclose(steps, steps.round(), atol=1e-4)


@pytest.mark.parametrize("how", COMPRESSIONS)
def test_the_same_weights_are_compressed_to_the_same_bits(how: Compression) -> None:
    first, second = compressed(how).state_dict(), compressed(how).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("how", COMPRESSIONS)
def test_a_channel_of_zeros_stays_a_channel_of_zeros(how: Compression) -> None:
    def silence(module: Small) -> None:
        module.first.weight[5] = 0

    weight = compressed(how, silence).get_parameter("first.weight")
    assert weight.isfinite().all()
    assert weight[5].abs().max() <= (1e-2 if how.startswith("palette") else 0)
