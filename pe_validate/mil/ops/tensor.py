"""Operators that make, order or describe tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from pe_validate.mil.ops.registry import bounded, flag, integer, integers, op


@op("shape")
def shape(x: Tensor) -> Tensor:
    """Return the shape as a vector."""
    return torch.tensor(x.shape)


@op("fill")
def fill(shape: Tensor, value: Tensor | None = None) -> Tensor:
    """Return a tensor filled with one value."""
    return (torch.tensor(0.0) if value is None else value).reshape(()).expand(bounded(*integers(shape, [])))


@op("fill_like")
def fill_like(ref_tensor: Tensor, value: Tensor | None = None) -> Tensor:
    """Return a tensor filled with one value, in the shape of another."""
    return (torch.tensor(0.0) if value is None else value).reshape(()).expand(ref_tensor.shape)


@op("range_1d")
def range_1d(end: Tensor, start: Tensor, step: Tensor) -> Tensor:
    """Return the values from ``start`` up to but excluding ``end``."""
    bounded(int((end.item() - start.item()) / step.item()))
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype)


@op("one_hot")
def one_hot(
    indices: Tensor,
    one_hot_vector_size: Tensor,
    axis: Tensor | None = None,
    on_value: Tensor | None = None,
    off_value: Tensor | None = None,
) -> Tensor:
    """Return ``on_value`` at each index along a new axis, ``off_value`` elsewhere."""
    size = integer(one_hot_vector_size, 0)
    bounded(*indices.shape, size)
    classes = torch.arange(size)
    hit = (indices.unsqueeze(-1) == classes).movedim(-1, integer(axis, -1))
    on = torch.tensor(1) if on_value is None else on_value
    return torch.where(hit, on, torch.tensor(0) if off_value is None else off_value)


@op("band_part", moves=True)
def band_part(x: Tensor, lower: Tensor | None = None, upper: Tensor | None = None) -> Tensor:
    """Set everything outside a band around the diagonal of the last two axes to zero; negative means no bound."""
    offset = torch.arange(x.shape[-2])[:, None] - torch.arange(x.shape[-1])
    below, above = integer(lower, -1), integer(upper, -1)
    keep = torch.ones_like(offset, dtype=torch.bool)
    keep = keep if below < 0 else keep & (offset <= below)
    keep = keep if above < 0 else keep & (-offset <= above)
    return torch.where(keep, x, torch.zeros_like(x))


@op("cumsum")
def cumsum(
    x: Tensor, axis: Tensor | None = None, exclusive: Tensor | None = None, reverse: Tensor | None = None
) -> Tensor:
    """Return the running sum along an axis, optionally without the element itself or from the end."""
    place = integer(axis, 0)
    x = x.flip(place) if flag(reverse) else x
    total = x.cumsum(place)
    total = total - x if flag(exclusive) else total
    return total.flip(place) if flag(reverse) else total


@op("argsort")
def argsort(x: Tensor, axis: Tensor | None = None, ascending: Tensor | None = None) -> Tensor:
    """Return the indices that sort along an axis, descending by default; equal values keep their order."""
    return torch.argsort(x, dim=integer(axis, -1), descending=not flag(ascending), stable=True)


@op("topk")
def topk(
    x: Tensor,
    k: Tensor | None = None,
    axis: Tensor | None = None,
    ascending: Tensor | None = None,
    sort: Tensor | None = None,
    return_indices: Tensor | None = None,
    output_indices_dtype: str = "int32",
) -> tuple[Tensor, ...]:
    """Return the ``k`` largest values (smallest if ascending) and their indices, sorted."""
    place = integer(axis, -1)
    values, indices = torch.sort(x, dim=place, descending=not flag(ascending), stable=True)
    count = integer(k, 1)
    kept = values.narrow(place, 0, count), indices.narrow(place, 0, count)
    return kept if flag(return_indices, True) else kept[:1]


@op("non_zero")
def non_zero(x: Tensor) -> Tensor:
    """Return the indices of the elements that are not 0, ``[count, rank]``."""
    return torch.nonzero(x)
