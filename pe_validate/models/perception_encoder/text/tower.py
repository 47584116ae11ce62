"""The Perception Encoder text tower in plain PyTorch.

Parameter names and shapes are those of Meta's CLIP checkpoints, where they have no prefix. This is the trained model:
every other form is measured against it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.perception_encoder.text.config import VOCABULARY, TextConfig
from pe_validate.models.perception_encoder.vision.tower import LAYER_NORM_EPS, MLP


class CausalAttention(nn.Module):
    """Multi-head self-attention in which a token sees itself and those before it."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * config.width, config.width))
        self.in_proj_bias = nn.Parameter(torch.empty(3 * config.width))
        self.out_proj = nn.Linear(config.width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        q, k, v = (t.view(*t.shape[:2], self.heads, -1).transpose(1, 2) for t in qkv.chunk(3, dim=-1))
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        projected: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return projected


class TextBlock(nn.Module):
    """Pre-norm attention, then pre-norm MLP, each added to the stream."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.attn = CausalAttention(config)
        self.ln_2 = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.mlp = MLP(config.width, config.mlp_width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class TextTransformer(nn.Module):
    """The stack of blocks."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(TextBlock(config) for _ in range(config.layers))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.resblocks:
            x = block(x)
        return x


class TextTower(nn.Module):
    """The tower: ids ``[batch, context]`` of integers → features ``[batch, output_dim]``, not normalised.

    They are those of the token with the largest id, the end of text; of the first one if there are several.
    """

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.token_embedding = nn.Embedding(VOCABULARY, config.width)
        self.positional_embedding = nn.Parameter(torch.empty(config.context, config.width))
        self.transformer = TextTransformer(config)
        self.ln_final = nn.LayerNorm(config.width, eps=LAYER_NORM_EPS)
        self.text_projection = nn.Parameter(torch.empty(config.width, config.output_dim))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.token_embedding(tokens) + self.positional_embedding
        x = self.ln_final(self.transformer(x))
        pooled = x[torch.arange(x.shape[0]), self.place(tokens)]
        features: Tensor = pooled @ self.text_projection
        return features

    def place(self, tokens: Tensor) -> Tensor:
        """Return the position of each text's end, ``[batch]``."""
        return tokens.argmax(dim=-1)

    def deployed(self, form: str, tokens: Tensor) -> nn.Module:
        """Return the rewrite in ``form`` for as many texts as ``tokens`` has, with exact GELU."""
        from pe_validate.models.perception_encoder.text.deploy import deploy
        from pe_validate.models.perception_encoder.vision.deploy import STYLES, with_erf

        style = next((style for style in STYLES if style == form), None)
        if style is None or tokens.shape[-1] != self.config.context:
            return self
        return with_erf(deploy(self, style=style, batch=len(tokens)))


def empty_text_tower(config: TextConfig) -> TextTower:
    """Return a tower without values, whose parameters are on the meta device."""
    with torch.device("meta"):
        return TextTower(config)
