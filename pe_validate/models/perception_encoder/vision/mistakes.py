"""The mistakes that converters make with a vision tower, each as an alteration of the tower.

An alteration returns a twin of the tower, which shares every tensor that is not altered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.models.mistake import Mistake
from pe_validate.models.perception_encoder.edits import Edit, edited, set_parameter
from pe_validate.models.perception_encoder.vision import tower as towers
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.tower import VisionTower, rope_angles


def mistakes(config: ModelConfig) -> tuple[Mistake, ...]:
    """Return every mistake with a tower of these hyper-parameters."""
    kinds = (_rotation, _head, _embedding, _attention, _blocks, _branches, _layers)
    return tuple(mistake for kind in kinds for mistake in kind(config))


PLACES: Final = {
    "rope": ("block 0 attention",),
    "attention": ("block 0 attention",),
    "embedding": ("patches", "ln_pre"),
    "head": ("ln_post", "pooling", "projection"),
}
"""Where an artifact with a mistake first leaves its model, by topic."""


_edit = partial(edited, PLACES)


class Steps(nn.Module):
    """A module of a function."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *given: Tensor) -> Tensor:
        """Call the function."""
        return self.function(*given)


def _rotation(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with RoPE."""

    def turned(name: str, saying: str, change: Callable[[Tensor], Tensor]) -> Mistake:
        def edit(tower: VisionTower) -> None:
            blocks = tower.transformer
            tower.transformer = Steps(lambda x, angles: blocks(x, change(angles)))  # type: ignore[assignment]  # it takes the same

        return _edit("rope", name, saying, edit)

    def based(theta: float) -> Callable[[Tensor], Tensor]:
        pairs = config.head_dim // 4
        old, new = (base ** (-torch.arange(pairs, dtype=torch.float64) / pairs) for base in (towers.ROPE_THETA, theta))
        return lambda angles: angles * (new / old).repeat(2)

    start = int(config.class_token)
    yield turned("no rope", "without RoPE", torch.zeros_like)
    yield turned("rope axes swapped", "with RoPE's axes exchanged", lambda a: a.roll(a.shape[-1] // 2, dims=-1))
    yield turned("rope turned back", "with RoPE in the other direction", lambda a: -a)
    if start:
        yield turned("rope from 0", "with RoPE's positions from 0", lambda a: torch.cat([a[:1], a[1:] - a[1]]))
        yield turned(
            "class token rotated", "with its class token rotated by RoPE", lambda a: torch.cat([a[1:2], a[1:]])
        )
    else:
        yield turned("rope from 1", "with RoPE's positions from 1", lambda a: a + a.new_tensor(1.0))
    yield turned("rope along x alone", "with RoPE along x alone", lambda a: _halved(a, 0))
    yield turned("rope along y alone", "with RoPE along y alone", lambda a: _halved(a, 1))
    for theta in (100.0, 1_000.0, 100_000.0, 500_000.0, 1_000_000.0):
        yield turned(f"rope of base {theta:g}", f"with RoPE of base {theta:,.0f}", based(theta))
    yield turned("rope by sequence", "with RoPE along the sequence", lambda a: _by_sequence(config, a))
    yield _edit("rope", "rope on halves", "with RoPE on halves of a head and not on pairs", _on_halves)


def _halved(angles: Tensor, axis: int) -> Tensor:
    half = angles.shape[-1] // 2
    keep = torch.zeros(angles.shape[-1], dtype=angles.dtype)
    keep[axis * half : (axis + 1) * half] = 1
    return angles * keep


def _by_sequence(config: ModelConfig, angles: Tensor) -> Tensor:
    pairs = config.head_dim // 2
    frequency = towers.ROPE_THETA ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    return torch.arange(len(angles), dtype=torch.float64)[:, None] * frequency


def _on_halves(tower: VisionTower) -> None:
    """Bring the members of a half pair side by side: rotating pairs of these rows rotates halves of the old ones."""
    for block in tower.transformer.resblocks:
        attention: Any = block.attn
        for name in ("in_proj_weight", "in_proj_bias"):
            q, k, v = getattr(attention, name).chunk(3)
            turned = [
                part.reshape(attention.heads, 2, -1, *part.shape[1:]).transpose(1, 2).reshape(part.shape)
                for part in (q, k)
            ]
            set_parameter(attention, name, torch.cat([*turned, v]))


def _head(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with what follows the blocks."""

    def put(name: str, saying: str, step: str, function: Callable[[Any], Callable[..., Tensor]]) -> Mistake:
        def edit(tower: Any) -> None:
            setattr(tower, step, Steps(function(tower)))

        return _edit("head", name, saying, edit)

    if config.ln_post:
        missing = ("final norm missing", "without its last LayerNorm")
        yield put(*missing, "ln_post", lambda tower: lambda x: x)
        yield put(*missing, "ln_post", lambda tower: _affine(tower.ln_post, centred=False))
        yield put(*missing, "ln_post", lambda tower: _affine(tower.ln_post, centred=True))
        plain = ("final norm without gain", "without the gain and shift of its last LayerNorm")
        yield put(*plain, "ln_post", lambda tower: _standard(tower.ln_post))
    if config.output_dim:
        yield _edit("head", "before projection", "before its projection", lambda tower: setattr(tower, "proj", None))
        yield _edit(
            "head",
            "projection transposed",
            "with its projection read column by column",
            lambda tower: set_parameter(tower, "proj", tower.proj.T.reshape(tower.proj.shape)),
        )
    if not config.pool_heads:
        return
    for norm, words in ((False, ""), (True, ", without the gain of its last LayerNorm")):
        for name, saying, pick in (
            ("class token instead of pool", "giving its class token in place of the pooled tokens", lambda x: x[:, 0]),
            ("mean instead of pool", "giving the mean of its tokens in place of the pooled ones", lambda x: x.mean(1)),
            ("mean instead of pool", "giving the mean of its patches in place of the pooled ones", _mean_of_patches),
        ):
            yield _edit("head", name, saying + words, _picking(pick, plain=norm))
    yield _edit("head", "tokens instead of pool", "giving its tokens", lambda tower: setattr(tower, "attn_pool", None))
    yield from _pool(config, put)


def _mean_of_patches(x: Tensor) -> Tensor:
    return x[:, 1:].mean(1)


def _picking(pick: Callable[[Tensor], Tensor], *, plain: bool) -> Edit:
    def edit(tower: Any) -> None:
        tower.attn_pool = Steps(pick)
        if plain and isinstance(tower.ln_post, nn.LayerNorm):
            tower.ln_post = Steps(_standard(tower.ln_post))

    return edit


def _affine(norm: Any, *, centred: bool) -> Callable[[Tensor], Tensor]:
    def apply(x: Tensor) -> Tensor:
        x = x - x.mean(-1, keepdim=True) if centred else x
        shifted: Tensor = x * norm.weight + norm.bias
        return shifted

    return apply


def _standard(norm: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: F.layer_norm(x, norm.normalized_shape, eps=norm.eps)


def _pool(config: ModelConfig, put: Callable[..., Mistake]) -> Iterator[Mistake]:
    """Yield mistakes with the attention that pools."""

    def without_mlp(tower: Any) -> Callable[[Tensor], Tensor]:
        pool = tower.attn_pool
        return lambda x: pool.attn(pool.probe.expand(len(x), -1, -1), x, x, need_weights=False)[0].squeeze(1)

    def without_residual(tower: Any) -> Callable[[Tensor], Tensor]:
        pool, attend = tower.attn_pool, without_mlp(tower)
        return lambda x: pool.mlp(pool.layernorm(attend(x)))

    yield put("pool without mlp", "without the MLP of its pool", "attn_pool", without_mlp)
    yield put("pool without residual", "without the residual path of its pool", "attn_pool", without_residual)
    assert config.pool_heads
    for heads in (1, 2, 3, 4, 6, 8, 12, 16):
        if heads != config.pool_heads and config.width % heads == 0:
            yield _edit("head", f"pool of {heads} heads", f"with {heads} heads in its pool", _with_heads(heads))
    for number in range(config.pool_heads):
        words = f"without head {number} of its pool"
        yield _edit("head", f"pool head {number} missing", words, _without_head(number, config.pool_heads))


def _with_heads(heads: int) -> Edit:
    def edit(tower: Any) -> None:
        attention = tower.attn_pool.attn
        attention.num_heads, attention.head_dim = heads, attention.embed_dim // heads

    return edit


def _without_head(number: int, heads: int) -> Edit:
    def edit(tower: Any) -> None:
        layer = tower.attn_pool.attn.out_proj
        weight = layer.weight.clone()
        weight.view(len(weight), heads, -1)[:, number] = 0
        set_parameter(layer, "weight", weight)

    return edit


def _embedding(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with what precedes the blocks."""

    def positions(name: str, saying: str, change: Callable[[Tensor], Tensor]) -> Mistake:
        def edit(tower: VisionTower) -> None:
            set_parameter(tower, "positional_embedding", change(tower.positional_embedding.clone()))

        return _edit("embedding", name, saying, edit)

    def kernel(name: str, saying: str, change: Callable[[Tensor], Tensor]) -> Mistake:
        return _edit("embedding", name, saying, lambda t: set_parameter(t.conv1, "weight", change(t.conv1.weight)))

    start, grid = int(config.class_token), config.grid

    def of_grid(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        """Change the positions ``[1, width, grid, grid]``."""

        def changed(table: Tensor) -> Tensor:
            square = table[start:].T.reshape(1, -1, grid, grid)
            return torch.cat([table[:start], change(square).flatten(2)[0].T])

        return changed

    yield positions("no positions", "without positions", torch.zeros_like)
    yield positions("positions transposed", "with positions column by column", of_grid(lambda x: x.transpose(2, 3)))
    yield positions("positions upside down", "with positions from the bottom up", of_grid(lambda x: x.flip(2)))
    yield positions("positions mirrored", "with positions from right to left", of_grid(lambda x: x.flip(3)))
    if start:
        yield positions("class token without position", "without the position of its class token", _without_first)
        yield positions("positions from the next", "with positions that are one off", lambda x: x.roll(1, dims=0))
        yield _edit("embedding", "no class token value", "without the value of its class token", _without_class_token)
    for side in dict.fromkeys((grid // 2, 14, 16, 24, 32)):
        if side and side != grid:
            yield from _through(side, grid, of_grid, positions)
    yield _edit(
        "embedding",
        "first norm missing",
        "without its first LayerNorm",
        lambda tower: setattr(tower, "ln_pre", nn.Identity()),
    )
    yield kernel("kernel transposed", "with rows and columns exchanged in its first convolution", lambda w: w.mT)
    yield kernel("kernel flipped", "with its first convolution upside down and mirrored", lambda w: w.flip(2, 3))


def _through(side: int, grid: int, of_grid: Callable[..., Any], positions: Callable[..., Mistake]) -> Iterator[Mistake]:
    """Yield positions that were resampled to another grid and back."""
    for name, back in (
        ("nearest", {"mode": "nearest"}),
        ("bilinear, corners aligned", {"mode": "bilinear", "align_corners": True}),
        ("bilinear", {"mode": "bilinear", "align_corners": False}),
        ("bicubic", {"mode": "bicubic", "align_corners": False}),
    ):
        for there in ({"mode": "area"}, back):

            def resampled(square: Tensor, there: Any = there, back: Any = back) -> Tensor:
                smaller = F.interpolate(square, size=(side, side), **there)
                return F.interpolate(smaller, size=(grid, grid), **back)

            words = f"with positions resampled from a grid of {side} × {side} ({name})"
            yield positions(f"positions by {name}", words, of_grid(resampled))


def _without_first(table: Tensor) -> Tensor:
    table[0] = 0
    return table


def _without_class_token(tower: Any) -> None:
    set_parameter(tower, "class_embedding", torch.zeros_like(tower.class_embedding))


def _attention(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with the scores of every block's attention."""
    for name, words, factor in (
        ("attention scale missing", "without the scale of its attention", config.head_dim**0.5),
        ("attention scale twice", "with its attention scaled twice", config.head_dim**-0.5),
    ):
        yield _edit("attention", name, words, partial(_scale_queries, factor=factor))
    for heads in (1, 2, 3, 4, 6, 8, 12, 16):
        width = config.width // heads
        if heads != config.heads and config.width % heads == 0 and width % 4 == 0:
            yield _edit("attention", f"{heads} heads", f"with {heads} heads", partial(_heads, heads=heads))


def _scale_queries(tower: VisionTower, factor: float) -> None:
    for block in tower.transformer.resblocks:
        attention: Any = block.attn
        for name in ("in_proj_weight", "in_proj_bias"):
            q, k, v = getattr(attention, name).chunk(3)
            set_parameter(attention, name, torch.cat([q * factor, k, v]))


def _heads(tower: Any, heads: int) -> None:
    from dataclasses import replace

    other = replace(tower.config, heads=heads)
    for block in tower.transformer.resblocks:
        block.attn.heads = heads
    blocks, grid = tower.transformer, tower.config.grid
    angles = rope_angles(other, (grid, grid))
    tower.transformer = Steps(lambda x, _: blocks(x, angles))


def _blocks(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with the order of blocks."""
    last = config.layers - 1

    def order(name: str, words: str, numbers: list[int]) -> Mistake:
        first = next((i for i, number in enumerate(numbers) if number != i), len(numbers))

        def edit(tower: VisionTower) -> None:
            old = tower.transformer.resblocks
            tower.transformer.resblocks = nn.ModuleList(old[number] for number in numbers)

        return _edit("blocks", name, words, edit, blocks=(first,) if first <= last else ())

    every = list(range(config.layers))
    for i in every:
        others = [*every[:i], *every[i + 1 :]]
        yield order(f"block {i} missing", f"without block {i}", others)
        if i < last:
            words = f"without block {i}, and with block {last} twice"
            yield order(f"block {i} missing", words, [*others, last])
        yield order(f"block {i} repeated", f"with block {i} twice", sorted([*every, i]))
        if i:
            yield order(
                f"block {i - 1} repeated", f"with block {i - 1} in the place of block {i}", _placed(every, i, i - 1)
            )
            yield order(
                f"block {i} repeated", f"with block {i} in the place of block {i - 1}", _placed(every, i - 1, i)
            )
        if i < last - 1:
            yield order(f"output of block {i}", f"giving what block {i} gives", every[: i + 1])
    yield order("blocks reversed", "with its blocks in reverse order", every[::-1])
    for apart in every[1:]:
        for i in every[:-apart]:
            swapped = [i + apart if n == i else i if n == i + apart else n for n in every]
            yield order(f"blocks {i} and {i + apart} swapped", f"with blocks {i} and {i + apart} exchanged", swapped)


def _placed(every: list[int], where: int, what: int) -> list[int]:
    return [what if number == where else number for number in every]


def _branches(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with one branch of one block."""

    def silent(x: Tensor, *_: Tensor) -> Tensor:
        return torch.zeros_like(x)

    for i in range(config.layers):
        for part, words in (("attn", "attention"), ("mlp", "MLP")):

            def edit(tower: VisionTower, i: int = i, part: str = part) -> None:
                setattr(tower.transformer.resblocks[i], part, Steps(silent))

            saying = f"without the {words} of block {i}"
            yield _edit("branches", f"block {i} {words} missing", saying, edit, blocks=(i,))


def _layers(config: ModelConfig) -> Iterator[Mistake]:
    """Yield mistakes with the tensors of one block."""
    joint = ("attn.in_proj_weight", "attn.in_proj_bias")
    heads = config.heads
    kinds: tuple[tuple[str, str, tuple[str, ...], Callable[[Tensor], Tensor]], ...] = (
        ("queries and keys swapped", "queries and keys exchanged", joint, _swap_queries),
        ("joint projection by heads", "its joint projection split by heads", joint[:1], lambda w: _by_heads(w, heads)),
        ("joint projection by heads", "its joint projection split by heads", joint, lambda w: _by_heads(w, heads)),
        ("expanding bias missing", "no bias in the first layer of its MLP", ("mlp.c_fc.bias",), torch.zeros_like),
        ("contracting bias missing", "no bias in the second layer of its MLP", ("mlp.c_proj.bias",), torch.zeros_like),
        ("attention bias missing", "no bias after its attention", ("attn.out_proj.bias",), torch.zeros_like),
        ("attention norm gain missing", "no gain in its first LayerNorm", ("ln_1.weight",), torch.ones_like),
        ("mlp norm gain missing", "no gain in its second LayerNorm", ("ln_2.weight",), torch.ones_like),
    )
    for i in range(config.layers):
        for name, words, paths, change in kinds:
            edit = partial(_edit_layer, number=i, paths=paths, change=change)
            yield _edit("layers", f"block {i} {name}", f"whose block {i} has {words}", edit, blocks=(i,))


def _edit_layer(tower: VisionTower, number: int, paths: tuple[str, ...], change: Callable[[Tensor], Tensor]) -> None:
    for path in paths:
        owner, _, name = path.rpartition(".")
        module = tower.transformer.resblocks[number].get_submodule(owner)
        set_parameter(module, name, change(getattr(module, name)))


def _swap_queries(joint: Tensor) -> Tensor:
    q, k, v = joint.chunk(3)
    return torch.cat([k, q, v])


def _by_heads(joint: Tensor, heads: int) -> Tensor:
    return joint.view(3, heads, -1, *joint.shape[1:]).transpose(0, 1).reshape(joint.shape)
