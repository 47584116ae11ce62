"""The Perception Encoder vision tower in plain PyTorch.

Parameter names and shapes are those of Meta's checkpoints, so a published state dict loads unchanged. This is the
trained model: every other form is measured against it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.perception_encoder.vision.config import ModelConfig

LAYER_NORM_EPS = 1e-5
ROPE_THETA = 10_000.0


def rope_angles(config: ModelConfig, grid: tuple[int, int]) -> Tensor:
    """Return the rotation angles of 2-D axial RoPE, ``[tokens, head_dim / 2]`` float64, one per channel pair.

    The first half of the pairs rotates with the column (x), the second half with the row (y). If there is a class
    token, positions count from 1, and its own angle is 0: it is not rotated.
    """
    pairs_per_axis = config.head_dim // 4
    start = int(config.class_token)
    frequency = ROPE_THETA ** (-torch.arange(pairs_per_axis, dtype=torch.float64) / pairs_per_axis)
    y = (torch.arange(grid[0]) + start)[:, None, None] * frequency
    x = (torch.arange(grid[1]) + start)[None, :, None] * frequency
    angles = torch.cat([x.expand(*grid, -1), y.expand(*grid, -1)], dim=-1).flatten(0, 1)
    return torch.cat([torch.zeros(start, angles.shape[-1], dtype=torch.float64), angles])


def rotate_pairs(x: Tensor, angles: Tensor) -> Tensor:
    """Rotate each interleaved channel pair ``(x[2i], x[2i+1])`` of ``[..., tokens, head_dim]``."""
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def position_table(config: ModelConfig, table: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return the absolute positions ``[tokens, width]``, resampled bilinearly if ``grid`` is not the trained one."""
    if grid == (config.grid, config.grid):
        return table
    start = int(config.class_token)
    patches = table[start:].T.reshape(1, config.width, config.grid, config.grid)
    patches = F.interpolate(patches, size=grid, mode="bilinear", align_corners=False)
    return torch.cat([table[:start], patches.flatten(2)[0].T])


class MLP(nn.Module):
    """Two linear layers with an exact (erf) GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, hidden)
        self.c_proj = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.c_proj(F.gelu(self.c_fc(x)))
        return out


class SelfAttention(nn.Module):
    """Multi-head self-attention with rotated queries and keys."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * config.width, config.width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * config.width))
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = (t.view(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in qkv.chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(rotate_pairs(q, angles), rotate_pairs(k, angles), v)
        projected: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return projected


class LayerScale(nn.Module):
    """A learned gain for each channel of a residual branch."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gamma


class ResidualBlock(nn.Module):
    """Pre-norm attention, then pre-norm MLP, each added to the stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attn = SelfAttention(config)
        self.ls_1 = LayerScale(config.width) if config.layer_scale else nn.Identity()
        self.ln_2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(config.width, config.mlp_width)
        self.ls_2 = LayerScale(config.width) if config.layer_scale else nn.Identity()

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        x = x + self.ls_1(self.attn(self.ln_1(x), angles))
        out: Tensor = x + self.ls_2(self.mlp(self.ln_2(x)))
        return out


class Transformer(nn.Module):
    """The stack of residual blocks."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(ResidualBlock(config) for _ in range(config.layers))

    def forward(self, x: Tensor, angles: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x, angles)
        return x


class AttentionPool(nn.Module):
    """Pools all tokens by attention with one learned probe, followed by a residual MLP."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, width))
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.layernorm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.attn(self.probe.expand(x.shape[0], -1, -1), x, x, need_weights=False)[0]
        out: Tensor = pooled + self.mlp(self.layernorm(pooled))
        return out.squeeze(1)


class VisionTower(nn.Module):
    """The tower: images ``[batch, 3, height, width]`` in [-1, 1] → features (see :class:`ModelConfig`)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.conv1 = nn.Conv2d(3, width, config.patch_size, stride=config.patch_size, bias=False)
        self.class_embedding = nn.Parameter(torch.empty(width)) if config.class_token else None
        self.positional_embedding = nn.Parameter(torch.empty(config.tokens, width))
        self.ln_pre = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.transformer = Transformer(config)
        self.ln_post = nn.LayerNorm(width, eps=LAYER_NORM_EPS) if config.ln_post else nn.Identity()
        self.attn_pool = AttentionPool(width, config.pool_heads) if config.pool_heads else None
        self.proj = nn.Parameter(torch.empty(width, config.output_dim)) if config.output_dim else None

    def forward(self, image: Tensor) -> Tensor:
        patches = self.conv1(image)
        grid = (patches.shape[2], patches.shape[3])
        x = patches.flatten(2).transpose(1, 2)
        if self.class_embedding is not None:
            x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1), x], dim=1)
        x = self.ln_pre(x + position_table(self.config, self.positional_embedding, grid))
        x = self.transformer(x, rope_angles(self.config, grid).to(x.device))
        x = self.ln_post(x)
        if self.attn_pool is not None:
            x = self.attn_pool(x)
        features: Tensor = x if self.proj is None else x @ self.proj
        return features

    def deployed(self, form: str, image: Tensor) -> nn.Module:
        """Return the rewrite in ``form`` for as many square images of the size of ``image``, with exact GELU."""
        from pe_validate.models.perception_encoder.vision.deploy import STYLES, EachImage, deploy, with_erf

        style = next((style for style in STYLES if style == form), None)
        if style is None or image.shape[-1] != image.shape[-2]:
            return self
        single = with_erf(deploy(self, style=style, image_size=image.shape[-1]))
        return EachImage(single, len(image)) if len(image) > 1 else single

    def up_to(self, layer: int) -> VisionTower:
        """Return a tower that ends after ``layer`` blocks and gives every token as it is there."""
        config = replace(self.config, layers=layer, pool_heads=None, ln_post=False, output_dim=None)
        shorter = empty_tower(config)
        shorter.load_state_dict({name: self.state_dict()[name] for name in shorter.state_dict()}, assign=True)
        return shorter.eval().requires_grad_(False)


def empty_tower(config: ModelConfig) -> VisionTower:
    """Return a tower without values, whose parameters are on the meta device."""
    with torch.device("meta"):
        return VisionTower(config)
