"""The deployable rewrite: the tower's mathematics in a form that suits exporters and delegates.

Every step is exact algebra, done once in float64, so the rewrite equals :class:`VisionTower` up to rounding:

- the affine part of each LayerNorm is folded into the linear layers that read it;
- if a final LayerNorm reads the residual stream, only the stream's deviation from its mean matters, so every layer
  that writes to the stream is centred once, and no LayerNorm needs to subtract a mean;
- layer scale is folded into the projection before it, the attention scale into the query projection;
- RoPE turns (even, odd) channel pairs: one projection gives the even members of all queries and keys, another
  the odd ones, and heads are told apart only after the rotation;
- the class token and its position are one constant, and the pooling probe's query is folded into a
  width → heads score projection (its bias cannot change a softmax).
"""

from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.tower import (
    LAYER_NORM_EPS,
    AttentionPool,
    ResidualBlock,
    VisionTower,
    position_table,
    rope_angles,
)

Style = Literal["fused", "linear", "half"]
STYLES: Final[tuple[Style, ...]] = get_args(Style)
"""The styles of the rewrite, for operators on which targets disagree.

`fused`: LayerNorm and GELU are single operators. `linear`: LayerNorm is built from linear layers, which XNNPACK takes
into its delegate. `half`: as `linear`, for float16: squares do not overflow, and GELU uses operators that XNNPACK has.
"""

GELU_LOGIT = (1.5949944, 0.07403071, -0.00070618975)
"""Coefficients of x, x³ and x⁵ in log(Φ(x) / Φ(-x)), fitted on [-6, 6] for the least error in GELU: 2.6e-5.

Rounded to float16, the error is 4.7e-5, a tenth of half a float16 step at 1.
"""

GELU_RANGE = 6.0
HALF_SCALE = 16.0
"""The divisor of the stream before it is squared in float16; values up to 4,000 then do not overflow."""


def deploy(tower: VisionTower, *, style: Style, image_size: int | None = None) -> Deployable:
    """Rewrite ``tower`` for a static ``[1, 3, image_size, image_size]`` input, in the tower's own dtype."""
    config = tower.config
    grid = (image_size or config.image_size) // config.patch_size
    with torch.no_grad():
        # Parameters are widened one by one: folding in float64 costs no second model in memory.
        return Deployable(tower, grid, style).to(tower.conv1.weight.dtype).eval().requires_grad_(False)


def with_erf(module: nn.Module) -> nn.Module:
    """Replace every GELU of a rewrite by the exact one (erf), in place, and return the rewrite."""
    for part in module.modules():
        if isinstance(part, Gelu):
            part.style = "fused"
    return module


def linear(weight: Tensor, bias: Tensor | None, like: Tensor) -> nn.Linear:
    """Return a layer with its own copies of a weight and a bias, in the type of ``like``."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    # Copies even if nothing was folded: the rewrite shares no parameters with the tower.
    layer.weight = nn.Parameter(weight.to(like.dtype, copy=True).contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(like.dtype, copy=True).contiguous())
    return layer


def after_norm(norm: nn.Module, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Fold the affine part of ``norm`` into ``weight`` and ``bias``, in float64.

    The result applied to the standardised stream equals ``weight, bias`` applied to the output of ``norm``.
    """
    weight, bias = weight.double(), bias.double()
    if not isinstance(norm, nn.LayerNorm):
        return weight, bias
    return weight * norm.weight.double(), bias + weight @ norm.bias.double()


def to_stream(layer: nn.Linear, scale: nn.Module, centred: bool) -> nn.Linear:
    """Return a projection that writes to the residual stream, with layer scale and centring folded in."""
    weight, bias = layer.weight.double(), layer.bias.double()
    if (gamma := getattr(scale, "gamma", None)) is not None:
        weight, bias = weight * gamma.double()[:, None], bias * gamma.double()
    if centred:
        weight, bias = weight - weight.mean(dim=0), bias - bias.mean()
    return linear(weight, bias, layer.weight)


class Standardize(nn.Module):
    """LayerNorm without its affine part: scales each token of ``[tokens, width]`` to zero mean and unit variance.

    ``centred`` says that the mean of each token is known to be zero.
    """

    mean: Tensor
    scale: Tensor
    mean_square: Tensor
    eps: Tensor

    def __init__(self, width: int, style: Style, *, centred: bool) -> None:
        super().__init__()
        self.width, self.style, self.centred = width, style, centred
        if style == "fused":
            return
        average = torch.full((1, width), 1 / width, dtype=torch.float64)
        if not centred:
            self.register_buffer("mean", average)
        if style == "half":
            self.register_buffer("scale", torch.tensor([1 / HALF_SCALE], dtype=torch.float64))
            average = average * HALF_SCALE**2
        self.register_buffer("mean_square", average)
        self.register_buffer("eps", torch.full((1,), LAYER_NORM_EPS, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        if self.style == "fused":
            return F.layer_norm(x, (self.width,), eps=LAYER_NORM_EPS)
        if not self.centred:
            x = x - F.linear(x, self.mean)
        small = x * self.scale if self.style == "half" else x
        return x * torch.rsqrt(F.linear(small * small, self.mean_square, self.eps))


class Gelu(nn.Module):
    """The exact GELU; in the half style, x σ(polynomial in x), which XNNPACK can compute in float16."""

    logit0: Tensor
    logit1: Tensor
    logit2: Tensor

    def __init__(self, style: Style) -> None:
        super().__init__()
        self.style = style
        if style == "half":
            for i, coefficient in enumerate(GELU_LOGIT):
                self.register_buffer(f"logit{i}", torch.tensor([coefficient], dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        if self.style != "half":
            return F.gelu(x)
        near = x.clamp(-GELU_RANGE, GELU_RANGE)
        square = near * near
        logit = near * (self.logit0 + square * (self.logit1 + square * self.logit2))
        return x * torch.sigmoid(logit)


class RotaryTable(nn.Module):
    """Cosines and sines, ``[tokens, 1, head_dim / 2]``, which all heads of queries and keys share."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, grid: int) -> None:
        super().__init__()
        angles = rope_angles(config, (grid, grid))[:, None]
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, even: Tensor, odd: Tensor) -> Tensor:
        """Rotate the pairs of ``even`` and ``odd``, both ``[tokens, heads, head_dim / 2]``, and concatenate them."""
        return torch.cat([even * self.cos - odd * self.sin, odd * self.cos + even * self.sin], dim=-1)


class RotatedAttention(nn.Module):
    """Self-attention with RoPE over the standardised stream, ``[tokens, width]`` → ``[tokens, width]``."""

    def __init__(self, block: ResidualBlock, config: ModelConfig, rope: RotaryTable, centred: bool) -> None:
        super().__init__()
        self.heads, self.pairs = config.heads, config.head_dim // 2
        self.rope = rope
        attention, like = block.attn, block.attn.in_proj_weight
        weight, bias = after_norm(block.ln_1, attention.in_proj_weight, attention.in_proj_bias)
        weight[: config.width] *= config.head_dim**-0.5
        bias[: config.width] *= config.head_dim**-0.5
        turned, turned_bias = weight[: 2 * config.width], bias[: 2 * config.width]  # queries, then keys
        # head_dim is even, so every second row is the even member of a pair, in every head.
        self.even = linear(turned[0::2], turned_bias[0::2], like)
        self.odd = linear(turned[1::2], turned_bias[1::2], like)
        self.value = linear(weight[2 * config.width :], bias[2 * config.width :], like)
        self.out = to_stream(attention.out_proj, block.ls_1, centred)

    def forward(self, x: Tensor) -> Tensor:
        tokens, halves = x.shape[0], (x.shape[0], 2 * self.heads, self.pairs)
        turned = self.rope(self.even(x).view(halves), self.odd(x).view(halves))
        q, k = turned[:, : self.heads].transpose(0, 1), turned[:, self.heads :].permute(1, 2, 0)
        v = self.value(x).view(tokens, self.heads, 2 * self.pairs).transpose(0, 1)
        # 3-D products: a 4-D matmul makes ExecuTorch 1.4.1 insert expand_copy, which no delegate takes.
        attended = torch.bmm(torch.softmax(torch.bmm(q, k), dim=-1), v)
        out: Tensor = self.out(attended.transpose(0, 1).reshape(tokens, -1))
        return out


class DeployableBlock(nn.Module):
    """One residual block, ``[tokens, width]`` → ``[tokens, width]``."""

    def __init__(
        self, block: ResidualBlock, config: ModelConfig, rope: RotaryTable, style: Style, centred: bool
    ) -> None:
        super().__init__()
        self.standardize, self.gelu = Standardize(config.width, style, centred=centred), Gelu(style)
        self.attention = RotatedAttention(block, config, rope, centred)
        mlp, like = block.mlp, block.attn.in_proj_weight
        self.expand = linear(*after_norm(block.ln_2, mlp.c_fc.weight, mlp.c_fc.bias), like=like)
        self.contract = to_stream(mlp.c_proj, block.ls_2, centred)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.standardize(x))
        out: Tensor = x + self.contract(self.gelu(self.expand(self.standardize(x))))
        return out


class DeployablePool(nn.Module):
    """Attention pooling of the standardised stream, ``[tokens, width]`` → ``[1, width]``."""

    def __init__(self, pool: AttentionPool, ln_post: nn.Module, style: Style) -> None:
        super().__init__()
        attention, like = pool.attn, pool.probe
        width, self.heads = attention.embed_dim, attention.num_heads
        head_dim = width // self.heads
        assert attention.in_proj_weight is not None
        q, k, v = attention.in_proj_weight.double().chunk(3)
        q_bias, _, v_bias = attention.in_proj_bias.double().chunk(3)
        query = (q @ pool.probe.double().flatten() + q_bias).view(self.heads, 1, head_dim) * head_dim**-0.5
        score = (query @ k.view(self.heads, head_dim, width)).squeeze(1)
        score, _ = after_norm(ln_post, score, torch.zeros(self.heads))
        self.score = linear(score, None, like)
        self.value = linear(*after_norm(ln_post, v, v_bias), like=like)
        self.out = linear(attention.out_proj.weight, attention.out_proj.bias, like)
        self.standardize, self.gelu = Standardize(width, style, centred=False), Gelu(style)
        mlp = pool.mlp
        self.expand = linear(*after_norm(pool.layernorm, mlp.c_fc.weight, mlp.c_fc.bias), like=like)
        self.contract = linear(mlp.c_proj.weight, mlp.c_proj.bias, like)

    def forward(self, x: Tensor) -> Tensor:
        tokens, width = x.shape
        weights = torch.softmax(self.score(x).transpose(0, 1), dim=-1).view(self.heads, 1, tokens)
        values = self.value(x).view(tokens, self.heads, -1).transpose(0, 1)
        pooled = self.out(torch.bmm(weights, values).view(1, width))
        out: Tensor = pooled + self.contract(self.gelu(self.expand(self.standardize(pooled))))
        return out


class Affine(nn.Module):
    """A gain and a shift per channel of ``[tokens, width]``; ``centred`` also removes each token's mean."""

    gain: Tensor
    shift: Tensor
    mean: Tensor

    def __init__(self, norm: nn.LayerNorm, *, centred: bool) -> None:
        super().__init__()
        self.centred = centred
        gain, shift = norm.weight.double(), norm.bias.double()
        self.register_buffer("gain", gain)
        self.register_buffer("shift", shift - shift.mean() if centred else shift)
        if centred:
            self.register_buffer("mean", gain[None] / gain.numel())

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.gain + self.shift
        return y - F.linear(x, self.mean) if self.centred else y


class Deployable(nn.Module):
    """The rewrite: one image ``[1, 3, size, size]`` → the tower's features, with static shapes only."""

    positions: Tensor
    class_position: Tensor

    def __init__(self, tower: VisionTower, grid: int, style: Style) -> None:
        super().__init__()
        config = self.config = tower.config
        self.patches = grid**2
        self.shape = (1, self.patches + int(config.class_token), config.output_dim or config.width)
        centred = config.ln_post and style != "fused"  # the fused operator subtracts the mean anyway
        self.patchify = deepcopy(tower.conv1)
        table = position_table(config, tower.positional_embedding.double(), (grid, grid))
        start = int(config.class_token)
        self.register_buffer("positions", table[start:])
        if tower.class_embedding is not None:
            self.register_buffer("class_position", table[:1] + tower.class_embedding.double())
        rope = RotaryTable(config, grid)
        blocks = [block for block in tower.transformer.resblocks if isinstance(block, ResidualBlock)]
        steps: dict[str, nn.Module] = {
            "first_norm": Standardize(config.width, style, centred=False),
            "first_affine": Affine(tower.ln_pre, centred=centred),
        }
        steps |= {f"block{i}": DeployableBlock(b, config, rope, style, centred) for i, b in enumerate(blocks)}
        self.encoder = nn.Sequential(OrderedDict(steps | _head(tower, style, centred)))

    def forward(self, image: Tensor) -> Tensor:
        x = self.patchify(image).view(self.config.width, self.patches).transpose(0, 1) + self.positions
        if self.config.class_token:
            x = torch.cat([self.class_position, x])
        features: Tensor = self.encoder(x)
        # ExecuTorch 1.4.1 leaves unsqueeze outside the delegate; coremltools 9.0 cannot cast a traced shape.
        return features if self.config.pool_heads else features.view(self.shape)


class EachImage(nn.Module):
    """The rewrite for a batch: one image after the other, since the rewrite has no axis for them."""

    def __init__(self, single: nn.Module, batch: int) -> None:
        super().__init__()
        self.single, self.batch = single, batch

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.single(images[i : i + 1]) for i in range(self.batch)])


def _head(tower: VisionTower, style: Style, centred: bool) -> dict[str, nn.Module]:
    """Return the layers after the blocks: final LayerNorm, pooling and projection, as far as the model has them."""
    config, like = tower.config, tower.conv1.weight
    head: dict[str, nn.Module] = {}
    if config.ln_post:
        head["last_norm"] = Standardize(config.width, style, centred=centred)
    proj = None if tower.proj is None else tower.proj.double().T
    if tower.attn_pool is not None:
        head["pool"] = DeployablePool(tower.attn_pool, tower.ln_post, style)
        if proj is not None:
            head["projection"] = linear(proj, None, like)
    elif proj is not None:
        head["projection"] = linear(*after_norm(tower.ln_post, proj, proj.new_zeros(len(proj))), like=like)
    elif isinstance(tower.ln_post, nn.LayerNorm):
        head["last_affine"] = Affine(tower.ln_post, centred=False)
    return head
