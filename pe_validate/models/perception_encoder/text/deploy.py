"""The deployable rewrite of a text tower: its mathematics in a form that suits exporters and delegates.

As in :mod:`~pe_validate.models.perception_encoder.vision.deploy`, every step is exact algebra, done once in float64:
LayerNorm's affine part and the attention scale are folded into the linear layers that read them, and layers that write
to the stream are centred, since ``ln_final`` reads its deviation from its mean alone. Every token is projected, and the
last step chooses one: so all of it but the look-up of embeddings and that choice is one piece for a delegate, for less
than a hundredth of the arithmetic.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import torch
from torch import Tensor, nn

from pe_validate.models.perception_encoder.text.config import TextConfig
from pe_validate.models.perception_encoder.text.tower import TextBlock, TextTower
from pe_validate.models.perception_encoder.vision.deploy import (
    Gelu,
    Standardize,
    Style,
    after_norm,
    linear,
    to_stream,
)

HIDDEN: Final = -1e4
"""What the mask adds to the score of a token that is not seen: float16 holds it, and its exponential is 0 there."""


def deploy(tower: TextTower, *, style: Style, batch: int = 1) -> nn.Module:
    """Rewrite ``tower`` for so many texts, ids ``[batch, context]``, in the tower's own dtype."""
    with torch.no_grad():
        single = DeployableText(tower, style)
        found = EachText(single, batch) if batch > 1 else single
        return found.to(tower.positional_embedding.dtype).eval().requires_grad_(False)


class MaskedAttention(nn.Module):
    """Causal self-attention over the standardised stream, ``[tokens, width]`` → ``[tokens, width]``."""

    mask: Tensor

    def __init__(self, block: TextBlock, config: TextConfig, centred: bool) -> None:
        super().__init__()
        self.heads, self.context = config.heads, config.context
        attention, like = block.attn, block.attn.in_proj_weight
        weight, bias = after_norm(block.ln_1, attention.in_proj_weight, attention.in_proj_bias)
        weight[: config.width] *= config.head_dim**-0.5
        bias[: config.width] *= config.head_dim**-0.5
        self.query, self.key, self.value = (
            linear(w, b, like) for w, b in zip(weight.chunk(3), bias.chunk(3), strict=True)
        )
        self.out = to_stream(attention.out_proj, nn.Identity(), centred)
        unseen = torch.ones(config.context, config.context, dtype=torch.float64).triu(1)
        self.register_buffer("mask", unseen * HIDDEN)

    def forward(self, x: Tensor) -> Tensor:
        heads = (self.context, self.heads, -1)
        q = self.query(x).view(heads).transpose(0, 1)
        k = self.key(x).view(heads).permute(1, 2, 0)
        v = self.value(x).view(heads).transpose(0, 1)
        attended = torch.bmm(torch.softmax(torch.bmm(q, k) + self.mask, dim=-1), v)
        out: Tensor = self.out(attended.transpose(0, 1).reshape(self.context, -1))
        return out


class DeployableTextBlock(nn.Module):
    """One residual block, ``[tokens, width]`` → ``[tokens, width]``."""

    def __init__(self, block: TextBlock, config: TextConfig, style: Style, centred: bool) -> None:
        super().__init__()
        self.standardize, self.gelu = Standardize(config.width, style, centred=centred), Gelu(style)
        self.attention = MaskedAttention(block, config, centred)
        mlp, like = block.mlp, block.attn.in_proj_weight
        self.expand = linear(*after_norm(block.ln_2, mlp.c_fc.weight, mlp.c_fc.bias), like=like)
        self.contract = to_stream(mlp.c_proj, nn.Identity(), centred)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.standardize(x))
        out: Tensor = x + self.contract(self.gelu(self.expand(self.standardize(x))))
        return out


class DeployableText(nn.Module):
    """The rewrite: ids ``[1, context]`` of one text → its features ``[1, output_dim]``."""

    positions: Tensor

    def __init__(self, tower: TextTower, style: Style) -> None:
        super().__init__()
        config = self.config = tower.config
        centred = style != "fused"  # the fused operator subtracts the mean anyway
        embedding, positions = tower.token_embedding.weight, tower.positional_embedding.double()
        if centred:
            embedding = (embedding.double() - embedding.double().mean(dim=1, keepdim=True)).to(embedding.dtype)
            positions = positions - positions.mean(dim=1, keepdim=True)
        self.embedding = nn.Embedding.from_pretrained(embedding.clone())
        self.register_buffer("positions", positions)
        steps: dict[str, nn.Module] = {
            f"block{i}": DeployableTextBlock(block, config, style, centred)
            for i, block in enumerate(tower.transformer.resblocks)
            if isinstance(block, TextBlock)
        }
        steps["last_norm"] = Standardize(config.width, style, centred=centred)
        projection = tower.text_projection.double().T
        folded = after_norm(tower.ln_final, projection, projection.new_zeros(len(projection)))
        steps["projection"] = linear(*folded, like=tower.text_projection)
        self.encoder = nn.Sequential(OrderedDict(steps))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens).view(self.config.context, self.config.width) + self.positions
        features: Tensor = self.encoder(x).index_select(0, self.place(tokens))
        return features

    def place(self, tokens: Tensor) -> Tensor:
        """Return the position of each text's end, ``[batch]``."""
        return tokens.argmax(dim=-1)


class EachText(nn.Module):
    """The rewrite for a batch: one look-up and one choice for all texts, and between them one after the other."""

    starts: Tensor

    def __init__(self, single: DeployableText, batch: int) -> None:
        super().__init__()
        self.single, self.context = single, single.config.context
        self.register_buffer("starts", torch.arange(batch) * self.context)

    def forward(self, tokens: Tensor) -> Tensor:
        x = (self.single.embedding(tokens) + self.single.positions).flatten(0, 1)
        starts = range(0, tokens.numel(), self.context)
        # XNNPACK takes slices, and leaves split outside (ExecuTorch 1.4.1).
        features = torch.cat([self.single.encoder(x[start : start + self.context]) for start in starts])
        return features.index_select(0, self.single.place(tokens) + self.starts)
