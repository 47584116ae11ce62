"""The deployable rewrite: the tower's mathematics in a form that exporters and delegates like.

Every step is exact algebra, done once in float64, so this module equals :class:`VisionTower` up to rounding:

- the affine part of each LayerNorm is folded into the linear layers that read it;
- where a final LayerNorm reads the residual stream, only the stream's deviation from its mean matters, so
  every writer to the stream is centred once and no LayerNorm needs to subtract a mean;
- layer scale is folded into the projection before it, the attention scale into the query projection;
- RoPE turns (even, odd) channel pairs: the two halves of each pair come from projections of their own, so
  that nothing is sliced, and heads are told apart only after the rotation;
- the class token and its position are one constant, and the pooling probe's query is folded into a
  width → heads score projection (its bias cannot change a softmax).
"""

from __future__ import annotations

from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.config import ModelConfig
from pe_validate.models.tower import (
    LAYER_NORM_EPS,
    AttentionPool,
    ResidualBlock,
    VisionTower,
    position_table,
    rope_angles,
)

NormStyle = Literal["fused", "linear"]
"""How to standardise: one LayerNorm operator, or linear layers that XNNPACK takes into its delegate."""


def deploy(tower: VisionTower, *, norm: NormStyle, image_size: int | None = None) -> Deployable:
    """Rewrite ``tower`` for a static ``[1, 3, image_size, image_size]`` input, in the tower's own dtype."""
    config = tower.config
    grid = (image_size or config.image_size) // config.patch_size
    with torch.no_grad():
        # Parameters are widened one by one: folding in float64 costs no second model in memory.
        return Deployable(tower, grid, norm).to(tower.conv1.weight.dtype).eval().requires_grad_(False)


def _linear(weight: Tensor, bias: Tensor | None, like: Tensor) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    # Copies even where there was nothing to fold: the tower's own parameters are never shared.
    layer.weight = nn.Parameter(weight.to(like.dtype, copy=True).contiguous())
    if bias is not None:
        layer.bias = nn.Parameter(bias.to(like.dtype, copy=True).contiguous())
    return layer


def _after_norm(norm: nn.Module, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """What reads the standardised stream as ``weight, bias`` read the output of ``norm``; float64."""
    weight, bias = weight.double(), bias.double()
    if not isinstance(norm, nn.LayerNorm):
        return weight, bias
    return weight * norm.weight.double(), bias + weight @ norm.bias.double()


def _to_stream(layer: nn.Linear, scale: nn.Module, centred: bool) -> nn.Linear:
    """The projection that writes to the residual stream, layer scale and centring folded in."""
    weight, bias = layer.weight.double(), layer.bias.double()
    if (gamma := getattr(scale, "gamma", None)) is not None:
        weight, bias = weight * gamma.double()[:, None], bias * gamma.double()
    if centred:
        weight, bias = weight - weight.mean(dim=0), bias - bias.mean()
    return _linear(weight, bias, layer.weight)


class Standardize(nn.Module):
    """LayerNorm without its affine part: ``[tokens, width]`` to zero mean and unit variance per token.

    ``centred`` says that the mean of each token is known to be zero.
    """

    average: Tensor
    eps: Tensor

    def __init__(self, width: int, norm: NormStyle, *, centred: bool) -> None:
        super().__init__()
        self.width, self.norm, self.centred = width, norm, centred
        if norm == "linear":
            self.register_buffer("average", torch.full((1, width), 1 / width, dtype=torch.float64))
            self.register_buffer("eps", torch.full((1,), LAYER_NORM_EPS, dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        if self.norm == "fused":
            return F.layer_norm(x, (self.width,), eps=LAYER_NORM_EPS)
        if not self.centred:
            x = x - F.linear(x, self.average)
        return x * torch.rsqrt(F.linear(x * x, self.average, self.eps))


class RotaryTable(nn.Module):
    """Cosines and sines, ``[tokens, heads * head_dim / 2]``, repeated for every head."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: ModelConfig, grid: int) -> None:
        super().__init__()
        angles = rope_angles(config, (grid, grid)).repeat(1, config.heads)
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def forward(self, even: Tensor, odd: Tensor) -> tuple[Tensor, Tensor]:
        return even * self.cos - odd * self.sin, odd * self.cos + even * self.sin


class RotatedAttention(nn.Module):
    """Self-attention over the standardised stream, ``[tokens, width]`` → ``[tokens, width]``."""

    def __init__(self, block: ResidualBlock, config: ModelConfig, rope: RotaryTable, centred: bool) -> None:
        super().__init__()
        self.heads, self.pairs = config.heads, config.head_dim // 2
        self.rope = rope
        attention, like = block.attn, block.attn.in_proj_weight
        weight, bias = _after_norm(block.ln_1, attention.in_proj_weight, attention.in_proj_bias)
        (q, k, v), (q_bias, k_bias, v_bias) = weight.chunk(3), bias.chunk(3)
        scale = config.head_dim**-0.5
        self.q_even, self.q_odd = self._halves(q * scale, q_bias * scale, like)
        self.k_even, self.k_odd = self._halves(k, k_bias, like)
        self.v = _linear(v, v_bias, like)
        self.out = _to_stream(attention.out_proj, block.ls_1, centred)

    @staticmethod
    def _halves(weight: Tensor, bias: Tensor, like: Tensor) -> tuple[nn.Linear, nn.Linear]:
        # head_dim is even, so every second row is the same member of every pair in every head.
        return _linear(weight[0::2], bias[0::2], like), _linear(weight[1::2], bias[1::2], like)

    def _heads(self, even: Tensor, odd: Tensor) -> Tensor:
        """Rotate, then join the halves of each head: ``[tokens, heads, head_dim]``."""
        shape = (even.shape[0], self.heads, self.pairs)
        even, odd = self.rope(even, odd)
        return torch.cat([even.view(shape), odd.view(shape)], dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        q = self._heads(self.q_even(x), self.q_odd(x)).transpose(0, 1)
        k = self._heads(self.k_even(x), self.k_odd(x)).permute(1, 2, 0)
        v = self.v(x).view(x.shape[0], self.heads, 2 * self.pairs).transpose(0, 1)
        # 3-D products: a 4-D matmul makes ExecuTorch 1.4.1 insert expand_copy, which no delegate takes.
        attended = torch.bmm(torch.softmax(torch.bmm(q, k), dim=-1), v)
        out: Tensor = self.out(attended.transpose(0, 1).reshape(x.shape[0], -1))
        return out


class DeployableBlock(nn.Module):
    """One residual block, ``[tokens, width]`` → ``[tokens, width]``."""

    def __init__(
        self, block: ResidualBlock, config: ModelConfig, rope: RotaryTable, norm: NormStyle, centred: bool
    ) -> None:
        super().__init__()
        self.standardize = Standardize(config.width, norm, centred=centred)
        self.attention = RotatedAttention(block, config, rope, centred)
        mlp, like = block.mlp, block.attn.in_proj_weight
        self.expand = _linear(*_after_norm(block.ln_2, mlp.c_fc.weight, mlp.c_fc.bias), like=like)
        self.contract = _to_stream(mlp.c_proj, block.ls_2, centred)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.standardize(x))
        out: Tensor = x + self.contract(F.gelu(self.expand(self.standardize(x))))
        return out


class DeployablePool(nn.Module):
    """Attention pooling of the standardised stream, ``[tokens, width]`` → ``[1, width]``."""

    def __init__(self, pool: AttentionPool, ln_post: nn.Module, norm: NormStyle) -> None:
        super().__init__()
        attention, like = pool.attn, pool.probe
        width, self.heads = attention.embed_dim, attention.num_heads
        head_dim = width // self.heads
        assert attention.in_proj_weight is not None
        q, k, v = attention.in_proj_weight.double().chunk(3)
        q_bias, _, v_bias = attention.in_proj_bias.double().chunk(3)
        query = (q @ pool.probe.double().flatten() + q_bias).view(self.heads, 1, head_dim) * head_dim**-0.5
        score = (query @ k.view(self.heads, head_dim, width)).squeeze(1)
        score, _ = _after_norm(ln_post, score, torch.zeros(self.heads))
        self.score = _linear(score, None, like)
        self.value = _linear(*_after_norm(ln_post, v, v_bias), like=like)
        self.out = _linear(attention.out_proj.weight, attention.out_proj.bias, like)
        self.standardize = Standardize(width, norm, centred=False)
        mlp = pool.mlp
        self.expand = _linear(*_after_norm(pool.layernorm, mlp.c_fc.weight, mlp.c_fc.bias), like=like)
        self.contract = _linear(mlp.c_proj.weight, mlp.c_proj.bias, like)

    def forward(self, x: Tensor) -> Tensor:
        tokens, width = x.shape
        weights = torch.softmax(self.score(x).transpose(0, 1), dim=-1).view(self.heads, 1, tokens)
        values = self.value(x).view(tokens, self.heads, -1).transpose(0, 1)
        pooled = self.out(torch.bmm(weights, values).view(1, width))
        out: Tensor = pooled + self.contract(F.gelu(self.expand(self.standardize(pooled))))
        return out


class Affine(nn.Module):
    """Gain and shift for each channel of ``[tokens, width]``; ``centred`` takes out each token's mean."""

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
    """One image ``[1, 3, size, size]`` → the tower's features, every shape a Python int."""

    positions: Tensor
    class_position: Tensor

    def __init__(self, tower: VisionTower, grid: int, norm: NormStyle) -> None:
        super().__init__()
        config = self.config = tower.config
        self.patches = grid**2
        self.shape = (1, self.patches + int(config.class_token), config.output_dim or config.width)
        centred = config.ln_post and norm == "linear"  # the fused operator subtracts the mean anyway
        self.patchify = deepcopy(tower.conv1)
        table = position_table(config, tower.positional_embedding.double(), (grid, grid))
        start = int(config.class_token)
        self.register_buffer("positions", table[start:])
        if tower.class_embedding is not None:
            self.register_buffer("class_position", table[:1] + tower.class_embedding.double())
        rope = RotaryTable(config, grid)
        blocks = [block for block in tower.transformer.resblocks if isinstance(block, ResidualBlock)]
        self.encoder = nn.Sequential(
            Standardize(config.width, norm, centred=False),
            Affine(tower.ln_pre, centred=centred),
            *(DeployableBlock(block, config, rope, norm, centred) for block in blocks),
            *_head(tower, norm, centred),
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.patchify(image).view(self.config.width, self.patches).transpose(0, 1) + self.positions
        if self.config.class_token:
            x = torch.cat([self.class_position, x])
        features: Tensor = self.encoder(x)
        # ExecuTorch 1.4.1 leaves unsqueeze outside the delegate; coremltools 9.0 cannot cast a traced shape.
        return features if self.config.pool_heads else features.view(self.shape)


def _head(tower: VisionTower, norm: NormStyle, centred: bool) -> list[nn.Module]:
    """What follows the blocks: final LayerNorm, pooling and projection, as far as the model has them."""
    config, like = tower.config, tower.conv1.weight
    head: list[nn.Module] = []
    if config.ln_post:
        head.append(Standardize(config.width, norm, centred=centred))
    proj = None if tower.proj is None else tower.proj.double().T
    if tower.attn_pool is not None:
        head.append(DeployablePool(tower.attn_pool, tower.ln_post, norm))
        if proj is not None:
            head.append(_linear(proj, None, like))
    elif proj is not None:
        head.append(_linear(*_after_norm(tower.ln_post, proj, proj.new_zeros(len(proj))), like=like))
    elif isinstance(tower.ln_post, nn.LayerNorm):
        head.append(Affine(tower.ln_post, centred=False))
    return head
