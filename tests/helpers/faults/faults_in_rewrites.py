"""Mistakes in the code that rewrites the tower: the artifact computes its graph, and the graph is not the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from planting import SPATIAL, SPATIAL_KINDS, fault
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.perception_encoder.vision import deploy
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.tower import rope_angles


def after_init(patch: pytest.MonkeyPatch, owner: type[nn.Module], change: Callable[[Any], None]) -> None:
    """Let ``change`` finish what the constructor of ``owner`` made."""
    made = owner.__init__

    def init(self: nn.Module, *args: object, **kwargs: object) -> None:
        made(self, *args, **kwargs)
        change(self)

    patch.setattr(owner, "__init__", init)


def other_angles(patch: pytest.MonkeyPatch, change: Callable[[Tensor], Tensor]) -> None:
    def angles(config: ModelConfig, grid: tuple[int, int]) -> Tensor:
        return change(rope_angles(config, grid))

    patch.setattr(deploy, "rope_angles", angles)


def other_step(patch: pytest.MonkeyPatch, name: str, step: nn.Module | None) -> None:
    """Replace one step of what follows the blocks, or leave it out."""
    head = deploy._head

    def changed(*arguments: Any) -> dict[str, nn.Module]:
        steps = head(*arguments)
        if step is None:
            del steps[name]
        else:
            assert name in steps
            steps[name] = step
        return steps

    patch.setattr(deploy, "_head", changed)


class OnTop(nn.Module):
    """Something done to the features."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


def on_top(patch: pytest.MonkeyPatch, function: Callable[[Tensor], Tensor]) -> None:
    after_init(patch, deploy.Deployable, lambda made: made.encoder.add_module("on_top", OnTop(function)))


def unit_length(x: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True))


@fault("rewrite", "block 0 attention")
def rope_axes_swapped(patch: pytest.MonkeyPatch) -> None:
    """The first half of the channel pairs turns with the row instead of the column."""
    other_angles(patch, lambda angles: angles.roll(angles.shape[-1] // 2, dims=-1))


@fault("rewrite", "block 0 attention")
def rope_from_zero(patch: pytest.MonkeyPatch) -> None:
    """Rotated positions count from 0 and not from 1."""
    other_angles(patch, lambda angles: torch.cat([angles[:1], angles[1:] - angles[1]]))


@fault("rewrite", "block 0 attention")
def class_token_rotated(patch: pytest.MonkeyPatch) -> None:
    """The class token turns like the first patch."""
    other_angles(patch, lambda angles: torch.cat([angles[1:2], angles[1:]]))


@fault("rewrite", "block 0 attention")
def rope_of_another_base(patch: pytest.MonkeyPatch) -> None:
    """Frequencies have the base 100 of another implementation and not 10,000."""
    from pe_validate.models.perception_encoder.vision import tower

    def angles(config: ModelConfig, grid: tuple[int, int]) -> Tensor:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(tower, "ROPE_THETA", 100.0)
            return rope_angles(config, grid)

    patch.setattr(deploy, "rope_angles", angles)


@fault("rewrite", "block 0 attention")
def rope_on_halves_instead_of_pairs(patch: pytest.MonkeyPatch) -> None:
    """The first half of a head was rotated with the second, where even channels are rotated with odd ones."""

    def halves(attention: Any) -> None:
        joint = torch.stack([attention.even.weight, attention.odd.weight], 1).flatten(0, 1)  # as it was
        bias = torch.stack([attention.even.bias, attention.odd.bias], 1).flatten()
        for tensors, whole in ((("weight",), joint), (("bias",), bias)):
            heads = whole.view(2 * attention.heads, 2, attention.pairs, *whole.shape[1:])
            for member, layer in enumerate((attention.even, attention.odd)):
                getattr(layer, tensors[0]).data = heads[:, member].flatten(0, 1).clone()

    after_init(patch, deploy.RotatedAttention, halves)


@fault("rewrite", "block 0 attention")
def attention_scale_missing(patch: pytest.MonkeyPatch) -> None:
    """Scores are not divided by the root of the head's width."""
    scale_queries(patch, lambda attention: (2 * attention.pairs) ** 0.5)


@fault("rewrite", "block 0 attention")
def attention_scale_doubled(patch: pytest.MonkeyPatch) -> None:
    """Scores are divided twice, once in the weights and once in the operator."""
    scale_queries(patch, lambda attention: (2 * attention.pairs) ** -0.5)


def scale_queries(patch: pytest.MonkeyPatch, factor: Callable[[Any], float]) -> None:
    def scale(attention: Any) -> None:
        queries = attention.heads * attention.pairs
        for tensor in (attention.even.weight, attention.even.bias, attention.odd.weight, attention.odd.bias):
            tensor[:queries] *= factor(attention)

    after_init(patch, deploy.RotatedAttention, scale)


TANH = ((8 / math.pi) ** 0.5, 0.044715 * (8 / math.pi) ** 0.5, 0.0)
"""Coefficients that make the half style's GELU the tanh approximation."""


@fault("rewrite", "block 0 MLP")
def tanh_gelu(patch: pytest.MonkeyPatch) -> None:
    """GELU is the tanh approximation."""
    other_gelu(patch, lambda x: F.gelu(x, approximate="tanh"), TANH)


@fault("rewrite", "block 0 MLP", kinds=("pte/fp16",))
def polynomial_of_tanh_gelu(patch: pytest.MonkeyPatch) -> None:
    """The polynomial in place of GELU was fitted to the tanh approximation."""
    patch.setattr(deploy, "GELU_LOGIT", TANH)


@fault("rewrite", "block 0 MLP")
def sigmoid_gelu(patch: pytest.MonkeyPatch) -> None:
    """GELU is x σ(1.702 x)."""
    other_gelu(patch, lambda x: x * torch.sigmoid(1.702 * x), (1.702, 0.0, 0.0))


def other_gelu(patch: pytest.MonkeyPatch, function: Callable[[Tensor], Tensor], logit: tuple[float, ...]) -> None:
    """``logit`` makes the same of the half style, whose GELU is x σ(polynomial in x)."""
    forward = deploy.Gelu.forward
    patch.setattr(deploy, "GELU_LOGIT", logit)
    patch.setattr(deploy.Gelu, "forward", lambda self, x: forward(self, x) if self.style == "half" else function(x))


@fault("rewrite", "ln_pre")
def layer_norm_epsilon_1e_6(patch: pytest.MonkeyPatch) -> None:
    """LayerNorm's epsilon is 1e-6 and not 1e-5."""
    patch.setattr(deploy, "LAYER_NORM_EPS", 1e-6)


@fault("rewrite", "block 0 attention")
def second_block_norm_reads_the_first_ones_gain(patch: pytest.MonkeyPatch) -> None:
    """Gains were folded into the queries and keys and forgotten in the values."""

    def forget(attention: Any) -> None:
        attention.value.weight *= 1.1

    after_init(patch, deploy.RotatedAttention, forget)


@fault("rewrite", "ln_post")
def final_norm_missing(patch: pytest.MonkeyPatch) -> None:
    """The last LayerNorm is left out."""
    other_step(patch, "last_norm", None)


@fault("rewrite", "pooling")
def class_token_instead_of_pooling(patch: pytest.MonkeyPatch) -> None:
    """The output is made of the class token, as in other vision transformers."""
    other_step(patch, "pool", OnTop(lambda x: x[:1]))


@fault("rewrite", "pooling")
def mean_instead_of_pooling(patch: pytest.MonkeyPatch) -> None:
    """The output is made of the mean of all tokens."""
    other_step(patch, "pool", OnTop(lambda x: x.mean(0, keepdim=True)))


@fault("rewrite", "pooling")
def pooling_without_its_residual(patch: pytest.MonkeyPatch) -> None:
    """The MLP of the pooling head is not added to what it reads."""

    def forward(self: Any, x: Tensor) -> Any:
        tokens, width = x.shape
        weights = torch.softmax(self.score(x).transpose(0, 1), dim=-1).view(self.heads, 1, tokens)
        values = self.value(x).view(tokens, self.heads, -1).transpose(0, 1)
        pooled = self.out(torch.bmm(weights, values).view(1, width))
        return self.contract(self.gelu(self.expand(self.standardize(pooled))))

    patch.setattr(deploy.DeployablePool, "forward", forward)


@fault("rewrite", "projection")
def normalised_output(patch: pytest.MonkeyPatch) -> None:
    """The features are scaled to length 1."""
    on_top(patch, unit_length)


@fault("rewrite", "projection")
def constant_output(patch: pytest.MonkeyPatch) -> None:
    """The features do not depend on the image."""
    after_init(patch, deploy.Deployable, lambda made: made.encoder.projection.weight.zero_())


@fault("rewrite", "block 3 attention", kinds=("mlpackage/fp16", "pte/fp16", "pte-coreml/fp16"))
def overflow_in_one_layer(patch: pytest.MonkeyPatch) -> None:
    """Values are 65,536 times as large and their projection so much smaller: exact in float32, infinite in float16."""

    def swell(made: Any) -> None:
        attention = made.encoder.block3.attention
        attention.value.weight *= 2**16
        attention.value.bias *= 2**16
        attention.out.weight /= 2**16

    after_init(patch, deploy.Deployable, swell)


@fault("rewrite", "projection", kinds=SPATIAL_KINDS, model=SPATIAL)
def spatial_tokens_transposed(patch: pytest.MonkeyPatch) -> None:
    """The patches of a Spatial model come column by column."""

    def transpose(x: Tensor) -> Tensor:
        first = x.shape[0] % 32  # the class token
        patches = x[first:].view(32, 32, -1).transpose(0, 1).reshape(1024, -1)
        return torch.cat([x[:first], patches])

    on_top(patch, transpose)
