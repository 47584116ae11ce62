"""Gathering and scattering by index.

Up to iOS 16, an index may be negative and then counts from the end. From iOS 17 on, an index outside the axis is an
error, or has an undefined result, as the program declares; the evaluator refuses both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from pe_validate.mil.ops.registry import choice, flag, integer, op


def _positive(indices: Tensor, length: int, validate: Tensor | None = None) -> Tensor:
    indices = indices.to(torch.int64)
    if validate is not None and bool(((indices < 0) | (indices >= length)).any()):
        reason = "which it is said to be" if flag(validate) else "and the result is undefined"
        raise ValueError(f"an index is not within 0 and {length - 1}, {reason}")
    return torch.where(indices < 0, indices + length, indices)


@op("gather", moves=True)
def gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor | None = None,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    """Gather slices along an axis; the shape is ``x[:axis] + indices[batch_dims:] + x[axis + 1:]``."""
    place, batch = integer(axis, 0) % x.dim(), integer(batch_dims, 0)
    chosen = _positive(indices, x.shape[place], validate_indices)
    if batch == 0:
        taken = x.index_select(place, chosen.reshape(-1))
        return taken.reshape(x.shape[:place] + indices.shape + x.shape[place + 1 :])
    rows = x.flatten(0, batch - 1)
    picks = chosen.reshape(rows.shape[0], *indices.shape[batch:])
    within = place - batch
    taken = torch.stack(
        [
            row.index_select(within, pick.reshape(-1)).reshape(
                row.shape[:within] + pick.shape + row.shape[within + 1 :]
            )
            for row, pick in zip(rows, picks, strict=True)
        ]
    )
    return taken.reshape(x.shape[:batch] + taken.shape[1:])


@op("gather_along_axis", moves=True)
def gather_along_axis(
    x: Tensor, indices: Tensor, axis: Tensor | None = None, validate_indices: Tensor | None = None
) -> Tensor:
    """Gather one value for each index, like ``numpy.take_along_axis``."""
    place = integer(axis, 0)
    return torch.gather(x, place, _positive(indices, x.shape[place], validate_indices))


@op("gather_nd", moves=True)
def gather_nd(
    x: Tensor, indices: Tensor, batch_dims: Tensor | None = None, validate_indices: Tensor | None = None
) -> Tensor:
    """Gather ``x[tuple(index)]`` for each index vector in the last axis."""
    batch = integer(batch_dims, 0)
    lead = [
        torch.arange(size).reshape([-1 if i == axis else 1 for i in range(indices.dim() - 1)])
        for axis, size in enumerate(x.shape[:batch])
    ]
    return x[(*lead, *_coordinates(indices, x.shape[batch:], validate_indices))]


def _coordinates(indices: Tensor, shape: torch.Size, validate: Tensor | None) -> list[Tensor]:
    return [_positive(part, length, validate) for part, length in zip(indices.unbind(-1), shape, strict=False)]


_REDUCE: Final[dict[str, str | None]] = {
    "update": None,
    "add": "sum",
    "sub": "sum",
    "mul": "prod",
    "div": "prod",
    "max": "amax",
    "min": "amin",
}

_SIGN: Final[dict[str, Callable[[Tensor], Tensor]]] = {"sub": torch.neg, "div": torch.reciprocal}


def _scatter(data: Tensor, index: Tensor, updates: Tensor, axis: int, mode: str) -> Tensor:
    """Combine ``updates`` into ``data`` at ``index`` of the same shape along ``axis``."""
    reduce = choice("mode", mode, _REDUCE)
    if reduce is None:
        return data.scatter(axis, index, updates)
    return data.scatter_reduce(axis, index, _SIGN.get(mode, torch.clone)(updates), reduce, include_self=True)


@op("scatter_along_axis")
def scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor | None = None,
    mode: str = "add",
    validate_indices: Tensor | None = None,
) -> Tensor:
    """Scatter one update for each index along an axis."""
    place = integer(axis, 0)
    return _scatter(data, _positive(indices, data.shape[place], validate_indices), updates, place, mode)


@op("scatter")
def scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor | None = None,
    mode: str = "add",
    validate_indices: Tensor | None = None,
) -> Tensor:
    """Scatter one slice of updates for each index along an axis."""
    place = integer(axis, 0) % data.dim()
    index = _positive(indices, data.shape[place], validate_indices).reshape(
        [-1 if i == place else 1 for i in range(data.dim())]
    )
    return _scatter(data, index.expand_as(updates), updates, place, mode)


@op("scatter_nd")
def scatter_nd(
    data: Tensor, indices: Tensor, updates: Tensor, mode: str = "add", validate_indices: Tensor | None = None
) -> Tensor:
    """Scatter one slice of updates for each index vector in the last axis of ``indices``."""
    depth = indices.shape[-1]
    row = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for part, length in zip(_coordinates(indices, data.shape, validate_indices), data.shape, strict=False):
        row = row * length + part
    rows = data.reshape(data.shape[:depth].numel(), -1)
    flat = updates.reshape(-1, rows.shape[1])
    return _scatter(rows, row.reshape(-1, 1).expand_as(flat), flat, 0, mode).reshape(data.shape)
