"""Operators that move values without changing them: views, joins, slices and rearrangements."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops.registry import bounded, choice, flag, flags, integer, integers, op


@op("reshape", moves=True)
def reshape(x: Tensor, shape: Tensor) -> Tensor:
    """Return the same values in another shape.

    A 0 takes the dimension of ``x`` at the same place counted from the right (1 where there is none); a
    -1 takes what is left.
    """
    target = integers(shape, [])
    aligned = [*(1,) * max(0, len(target) - x.dim()), *x.shape[max(0, x.dim() - len(target)) :]]
    return x.reshape([own if wanted == 0 else wanted for own, wanted in zip(aligned, target, strict=True)])


@op("reshape_like", moves=True, variadic=("ref_tensors", "begins", "ends", "end_masks"))
def reshape_like(
    x: Tensor,
    ref_tensors: Sequence[Tensor],
    begins: Sequence[Tensor],
    ends: Sequence[Tensor],
    end_masks: Sequence[Tensor],
) -> Tensor:
    """Reshape to a shape that is joined from parts of other tensors' shapes."""
    shape: list[int] = []
    for reference, begin, end, mask in zip(ref_tensors, begins, ends, end_masks, strict=True):
        shape += reference.shape[integer(begin, 0) : None if flag(mask) else integer(end, 0)]
    return x.reshape(shape)


@op("flatten2d", moves=True)
def flatten2d(x: Tensor, axis: Tensor | None = None) -> Tensor:
    """Reshape to ``[product of the axes before axis, product of the others]``."""
    rows = x.shape[: integer(axis, 1)].numel()
    return x.reshape(rows, x.numel() // max(rows, 1))


@op("expand_dims", moves=True)
def expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    """Insert axes of length 1 at these places of the result."""
    places = integers(axes, [])
    rank = x.dim() + len(places)
    for axis in sorted(place % rank for place in places):
        x = x.unsqueeze(axis)
    return x


@op("squeeze", moves=True)
def squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Remove these axes (every one by default) where their length is 1."""
    return x.squeeze(integers(axes, range(x.dim())))


@op("transpose", moves=True)
def transpose(x: Tensor, perm: Tensor) -> Tensor:
    """Permute the axes."""
    return x.permute(integers(perm, []))


@op("concat", moves=True, variadic=("values",))
def concat(values: Sequence[Tensor], axis: Tensor, interleave: Tensor | None = None) -> Tensor:
    """Concatenate tensors along an axis, one after another or interleaved."""
    place = integer(axis, 0)
    if flag(interleave):
        place %= values[0].dim()
        return torch.stack(list(values), place + 1).flatten(place, place + 1)
    return torch.cat([value.reshape(1) if value.dim() == 0 else value for value in values], place)


@op("stack", moves=True, variadic=("values",))
def stack(values: Sequence[Tensor], axis: Tensor) -> Tensor:
    """Stack tensors along a new axis."""
    return torch.stack(list(values), integer(axis, 0))


@op("split", moves=True)
def split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    """Split along an axis into pieces, equal or of given sizes."""
    place = integer(axis, 0)
    if split_sizes is not None:
        return torch.split(x, integers(split_sizes, []), place)
    return torch.tensor_split(x, integer(num_splits, 1), place)


def _slices(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None,
    masks: Sequence[Tensor | None],
) -> tuple[list[range], list[int]]:
    """Return the indices taken along each axis, and the axes that are dropped afterwards."""
    begin_mask, end_mask, squeeze_mask = (flags(mask, x.dim()) for mask in masks)
    starts, ends, steps = integers(begin, []), integers(end, []), integers(stride, [1] * x.dim())
    ranges = []
    for axis, length in enumerate(x.shape):
        start = None if begin_mask[axis] else starts[axis]
        if squeeze_mask[axis]:
            index = (start or 0) % length
            ranges.append(range(index, index + 1))
        else:
            stop = None if end_mask[axis] else ends[axis]
            ranges.append(range(*slice(start, stop, steps[axis]).indices(length)))
    return ranges, [axis for axis, dropped in enumerate(squeeze_mask) if dropped]


@op("slice_by_index", moves=True)
def slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """Slice like NumPy; a mask ignores a bound, or takes a single index and drops its axis."""
    ranges, dropped = _slices(x, begin, end, stride, (begin_mask, end_mask, squeeze_mask))
    for axis, taken in enumerate(ranges):
        if taken.step < 0:  # torch slices forwards only
            x = x.index_select(axis, torch.tensor(taken, dtype=torch.int64))
        elif len(taken) != x.shape[axis]:
            x = x[(slice(None),) * axis + (slice(taken.start, taken.stop, taken.step),)]
    return x.squeeze(dropped) if dropped else x


@op("slice_update", moves=True)
def slice_update(
    x: Tensor,
    update: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    """Return ``x`` with a slice replaced."""
    ranges, _ = _slices(x, begin, end, stride, (begin_mask, end_mask, squeeze_mask))
    grid = torch.meshgrid(*(torch.tensor(taken, dtype=torch.int64) for taken in ranges), indexing="ij")
    return x.index_put(grid, update.reshape([len(taken) for taken in ranges]))


@op("slice_by_size", moves=True)
def slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    """Take ``size`` elements from ``begin`` on along each axis; -1 takes the rest."""
    for axis, (start, length) in enumerate(zip(integers(begin, []), integers(size, []), strict=True)):
        start %= max(x.shape[axis], 1)
        x = x.narrow(axis, start, x.shape[axis] - start if length == -1 else length)
    return x


@op("crop", moves=True)
def crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    """Remove rows and columns at the borders."""
    (top, bottom), (left, right) = integers(crop_height, []), integers(crop_width, [])
    return x[..., top : x.shape[-2] - bottom, left : x.shape[-1] - right]


@op("pad", moves=True)
def pad(x: Tensor, pad: Tensor, mode: str = "constant", constant_val: Tensor | None = None) -> Tensor:
    """Add elements before and after each of the last axes."""
    amounts = integers(pad, [])
    pairs = [(0, 0)] * (x.dim() - len(amounts) // 2) + list(zip(amounts[::2], amounts[1::2], strict=True))
    bounded(*(before + length + after for length, (before, after) in zip(x.shape, pairs, strict=True)))
    if mode == "constant":
        value = 0.0 if constant_val is None else constant_val.item()
        return F.pad(x, [amount for pair in reversed(pairs) for amount in pair], value=value)
    choice("mode", mode, {"reflect": None, "replicate": None})
    for axis, (before, after) in enumerate(pairs):
        index = torch.arange(-before, x.shape[axis] + after)
        last = x.shape[axis] - 1
        index = last - (last - index.abs()).abs() if mode == "reflect" else index.clamp(0, last)
        x = x.index_select(axis, index)
    return x


@op("tile", moves=True)
def tile(x: Tensor, reps: Tensor) -> Tensor:
    """Repeat ``x`` along each axis."""
    times = integers(reps, [])
    bounded(*x.shape, *times)
    return x.repeat(times)


@op("reverse", moves=True)
def reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    """Reverse ``x`` along these axes, all by default."""
    return x.flip(integers(axes, range(x.dim())))


@op("sliding_windows", moves=True)
def sliding_windows(x: Tensor, axis: Tensor, size: Tensor, stride: Tensor | None = None) -> Tensor:
    """Return every window along an axis, on a new axis after it."""
    place = integer(axis, 0) % x.dim()
    return x.unfold(place, integer(size, 1), integer(stride, 1)).movedim(-1, place + 1)


@op("pixel_shuffle", moves=True)
def pixel_shuffle(x: Tensor, upscale_factor: Tensor) -> Tensor:
    """Move channels to space; the channel is the slowest index."""
    return F.pixel_shuffle(x, integer(upscale_factor, 1))


@op("pixel_unshuffle", moves=True)
def pixel_unshuffle(x: Tensor, downscale_factor: Tensor) -> Tensor:
    """Move space to channels; the channel is the slowest index."""
    return F.pixel_unshuffle(x, integer(downscale_factor, 1))


@op("depth_to_space", moves=True)
def depth_to_space(x: Tensor, block_size: Tensor) -> Tensor:
    """Move channels to space; the position in the block is the slowest index."""
    batch, channels, height, width = x.shape
    block = integer(block_size, 1)
    parts = x.reshape(batch, block, block, channels // block**2, height, width)
    return parts.permute(0, 3, 4, 1, 5, 2).reshape(batch, channels // block**2, height * block, width * block)


@op("space_to_depth", moves=True)
def space_to_depth(x: Tensor, block_size: Tensor) -> Tensor:
    """Move space to channels; the position in the block is the slowest index."""
    batch, channels, height, width = x.shape
    block = integer(block_size, 1)
    parts = x.reshape(batch, channels, height // block, block, width // block, block)
    return parts.permute(0, 3, 5, 1, 2, 4).reshape(batch, channels * block**2, height // block, width // block)


@op("space_to_batch", moves=True)
def space_to_batch(x: Tensor, block_shape: Tensor, paddings: Tensor) -> Tensor:
    """Move space to batch, after padding with zeros; the position in the block is the slowest index."""
    (top, bottom), (left, right) = paddings.tolist()
    x = F.pad(x, [left, right, top, bottom])
    down, across = integers(block_shape, [])
    batch, channels, height, width = x.shape
    parts = x.reshape(batch, channels, height // down, down, width // across, across)
    return parts.permute(3, 5, 0, 1, 2, 4).reshape(-1, channels, height // down, width // across)


@op("batch_to_space", moves=True)
def batch_to_space(x: Tensor, block_shape: Tensor, crops: Tensor) -> Tensor:
    """Move batch to space and crop the borders, the inverse of ``space_to_batch``."""
    down, across = integers(block_shape, [])
    batch, channels, height, width = x.shape
    parts = x.reshape(down, across, batch // (down * across), channels, height, width)
    whole = parts.permute(2, 3, 4, 0, 5, 1).reshape(-1, channels, height * down, width * across)
    return crop(whole, *crops)


@op("reverse_sequence", moves=True)
def reverse_sequence(
    x: Tensor, lengths: Tensor, seq_axis: Tensor | None = None, batch_axis: Tensor | None = None
) -> Tensor:
    """Reverse the first ``lengths[i]`` elements, for each element ``i`` of the batch."""
    along, batch = integer(seq_axis, 0) % x.dim(), integer(batch_axis, 0) % x.dim()
    rows = x.movedim((batch, along), (0, 1)).clone()
    for row, length in zip(rows, integers(lengths, []), strict=True):
        row[:length] = row[:length].flip(0)
    return rows.movedim((0, 1), (batch, along))
