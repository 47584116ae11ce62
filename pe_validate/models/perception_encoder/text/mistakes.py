"""The mistakes that converters make with a text tower, each as an alteration of the tower."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.mistake import Mistake, twin
from pe_validate.models.perception_encoder.edits import Edit, edited, set_parameter
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, TextConfig
from pe_validate.models.perception_encoder.text.tower import CausalAttention

Mask = Callable[[int], Tensor]
"""A function from a number of tokens to which of them, ``[query, key]``, are seen."""

PLACES: Final = {
    "mask": ("block 0 attention",),
    "attention": ("block 0 attention",),
    "embedding": ("tokens",),
    "pooling": ("projection",),
    "head": ("ln_final", "projection"),
}
"""Where an artifact with a mistake first leaves its model, by topic."""


def mistakes(config: TextConfig) -> tuple[Mistake, ...]:
    """Return every mistake with a tower of these hyper-parameters."""
    kinds = (_masks, _attention, _embedding, _pooling, _head, _blocks)
    return tuple(mistake for kind in kinds for mistake in kind(config))


_edit = partial(edited, PLACES)


class _Masked(nn.Module):
    """Attention with another mask, number of heads or scale."""

    def __init__(
        self, attention: CausalAttention, mask: Mask | None = None, heads: int = 0, scale: float | None = None
    ) -> None:
        super().__init__()
        self.attention, self._mask = attention, mask
        self._heads, self._scale = heads or attention.heads, scale

    def forward(self, x: Tensor) -> Tensor:
        qkv = F.linear(x, self.attention.in_proj_weight, self.attention.in_proj_bias)
        q, k, v = (t.view(*t.shape[:2], self._heads, -1).transpose(1, 2) for t in qkv.chunk(3, dim=-1))
        seen = self._mask(x.shape[1]) if self._mask else torch.ones(x.shape[1], x.shape[1]).tril().bool()
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=self._scale)
        projected: Tensor = self.attention.out_proj(attended.transpose(1, 2).flatten(2))
        return projected


def _each_attention(change: Callable[[CausalAttention], nn.Module]) -> Edit:
    def edit(tower: Any) -> None:
        for block in tower.transformer.resblocks:
            block.attn = change(block.attn)

    return edit


def _masks(config: TextConfig) -> Iterator[Mistake]:
    masks: dict[str, tuple[str, Mask]] = {
        "mask missing": ("without a causal mask", lambda n: torch.ones(n, n).bool()),
        "mask transposed": ("with its causal mask transposed", lambda n: torch.ones(n, n).triu().bool()),
        "mask hides a token from itself": (
            "with a mask that hides each token from itself",
            lambda n: (torch.ones(n, n).tril(-1) + torch.eye(n) * (torch.arange(n) == 0)).bool(),
        ),
        "mask one too wide": (
            "with a mask that shows one token too many",
            lambda n: torch.ones(n, n).tril(1).bool(),
        ),
    }
    for name, (words, mask) in masks.items():
        yield _edit("mask", name, words, _each_attention(partial(_Masked, mask=mask)))


def _attention(config: TextConfig) -> Iterator[Mistake]:
    for heads in (config.heads // 2, config.heads * 2):
        change = _each_attention(partial(_Masked, heads=heads))
        yield _edit("attention", f"{heads} heads", f"with {heads} heads and not {config.heads}", change)
    scales = {"attention scale missing": 1.0, "attention scaled twice": config.head_dim**-1.0}
    for name, scale in scales.items():
        change = _each_attention(partial(_Masked, scale=scale))
        yield _edit("attention", name, f"with its {name.replace(' missing', ' left out')}", change)


def _set(tower: Any, name: str, value: object) -> None:
    setattr(tower, name, value)


def _positions(tower: Any, change: Callable[[Tensor], Tensor]) -> None:
    set_parameter(tower, "positional_embedding", change(tower.positional_embedding))


def _embedding(config: TextConfig) -> Iterator[Mistake]:
    changes: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
        "positions missing": ("without positions", lambda x: x * 0),
        "positions one late": ("with positions that begin one late", lambda x: torch.cat([x[1:], x[:1]])),
        "positions one early": ("with positions that begin one early", lambda x: torch.cat([x[-1:], x[:-1]])),
        "positions reversed": ("with positions in reverse", lambda x: x.flip(0)),
    }
    for name, (words, change) in changes.items():
        yield _edit("embedding", name, words, partial(_positions, change=change))
    for step, name in ((1, "ids one high"), (-1, "ids one low")):

        def shifted(tower: Any, step: int = step) -> None:
            embedding = twin(tower.token_embedding)
            set_parameter(embedding, "weight", embedding.weight.roll(-step, 0))
            tower.token_embedding = embedding

        yield _edit("embedding", name, f"with ids that are {name.removeprefix('ids ')}", shifted)


def _pooling(config: TextConfig) -> Iterator[Mistake]:
    last = config.context - 1
    places: dict[str, tuple[str, Callable[[Tensor], Tensor]]] = {
        "pooled at the last position": ("read at the last position", lambda ids: torch.full_like(ids[:, 0], last)),
        "pooled at the start": ("read at the start of the text", lambda ids: torch.zeros_like(ids[:, 0])),
        "pooled before the end": ("read before the end of the text", lambda ids: ids.argmax(-1) - 1),
        "pooled after the end": ("read after the end", lambda ids: (ids.argmax(-1) + 1).clamp(max=last)),
        "pooled at the last end": (
            "read at the last end of the text",
            lambda ids: last - (ids == END_OF_TEXT).int().flip(-1).argmax(-1),
        ),
    }
    for name, (words, place) in places.items():
        yield _edit("pooling", name, words, partial(_set, name="place", value=place))


def _head(config: TextConfig) -> Iterator[Mistake]:
    def projected(change: Callable[[Tensor], Tensor]) -> Edit:
        def edit(tower: Any) -> None:
            set_parameter(tower, "text_projection", change(tower.text_projection))

        return edit

    if config.width == config.output_dim:
        transposed = projected(lambda x: x.T)
        yield _edit("head", "projection transposed", "with its projection transposed", transposed)
        missing = projected(lambda x: torch.eye(len(x), dtype=x.dtype))
        yield _edit("head", "before projection", "before its projection", missing)
    yield _edit("head", "ln_final missing", "without ln_final", partial(_set, name="ln_final", value=nn.Identity()))


def _blocks(config: TextConfig) -> Iterator[Mistake]:
    def rearranged(order: list[int]) -> Edit:
        def edit(tower: Any) -> None:
            blocks = list(tower.transformer.resblocks)
            tower.transformer.resblocks = nn.ModuleList(blocks[number] for number in order)

        return edit

    numbers = list(range(config.layers))
    for n in numbers:
        missing, repeated = numbers[:n] + numbers[n + 1 :], numbers[: n + 1] + numbers[n:]
        yield _edit("blocks", f"block {n} missing", f"without block {n}", rearranged(missing), blocks=(n,))
        after = (n + 1,) if n + 1 < config.layers else ()
        saying = f"with block {n} twice"
        yield _edit("blocks", f"block {n} repeated", saying, rearranged(repeated), blocks=after)
        if after:
            swapped = [*numbers[:n], n + 1, n, *numbers[n + 2 :]]
            saying = f"with blocks {n} and {n + 1} swapped"
            yield _edit("blocks", f"blocks {n} and {n + 1} swapped", saying, rearranged(swapped), blocks=(n,))
