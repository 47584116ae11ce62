"""Compressed weights (``constexpr_*``), and quantisation of activations."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from torch import Tensor

from pe_validate.mil.dtypes import DATA_TYPES, DataType, unpack
from pe_validate.mil.ops.registry import choice, integer, integers, op


def _along(parameter: Tensor, x: Tensor, axis: Tensor | None) -> Tensor:
    """A scalar, or a vector shaped to broadcast along ``axis`` of ``x``; in float32."""
    parameter = parameter.to(torch.float32)
    if parameter.dim() == 0:
        return parameter
    place = integer(axis, 0) % x.dim()
    return parameter.reshape([-1 if i == place else 1 for i in range(x.dim())])


def _affine(x: Tensor, scale: Tensor, zero_point: Tensor | None, axis: Tensor | None) -> Tensor:
    values = x.to(torch.float32)
    values = values if zero_point is None else values - _along(zero_point, x, axis)
    return values * _along(scale, x, axis)


@op("dequantize")
def dequantize(input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    """``scale * (input - zero_point)``."""
    return _affine(input, scale, zero_point, axis)


_RANGES: Final = {
    str(t).removeprefix("torch."): (torch.iinfo(t).min, torch.iinfo(t).max) for t in (torch.int8, torch.uint8)
}
"""Least and largest value of the types that ``quantize`` gives."""


@op("quantize")
def quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: Tensor | None = None,
) -> Tensor:
    """``clip(round(input / scale) + zero_point)``."""
    low, high = choice("output_dtype", output_dtype, _RANGES)
    values = torch.round(input / _along(scale, input, axis))
    values = values if zero_point is None else values + _along(zero_point, input, axis)
    return values.clamp(low, high)


@op("constexpr_cast", moves=True)
def constexpr_cast(source_val: Tensor, output_dtype: str) -> Tensor:
    """A float16 constant widened."""
    return source_val


@op("constexpr_affine_dequantize")
def constexpr_affine_dequantize(quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Tensor) -> Tensor:
    """``scale * (quantized_data - zero_point)``."""
    return _affine(quantized_data, scale, zero_point, axis)


@op("constexpr_blockwise_shift_scale")
def constexpr_blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """``scale * (data - offset)``, one pair for each block of ``data``."""
    values = data.to(torch.float32)
    values = values if offset is None else values - _repeated(offset.to(torch.float32), data.shape)
    return values * _repeated(scale, data.shape)


def _repeated(blocks: Tensor, shape: torch.Size) -> Tensor:
    for axis, (length, count) in enumerate(zip(shape, blocks.shape, strict=True)):
        blocks = blocks if length == count else blocks.repeat_interleave(length // count, axis)
    return blocks


@op("constexpr_lut_to_dense", moves=True)
def constexpr_lut_to_dense(
    indices: Tensor, lut: Tensor, shape: Tensor | None = None, vector_axis: Tensor | None = None
) -> Tensor:
    """Values from lookup tables.

    With ``shape`` (iOS 16) the indices are packed bits into one table; without (iOS 18) there is one
    table for each block, ``lut`` is ``[*blocks, entries, vector]`` and vectors lie along ``vector_axis``.
    """
    if shape is not None:
        target = integers(shape, [])
        width = (lut.numel() - 1).bit_length()
        if width == 0:
            raise ValueError("its table has one entry, to which no bits can refer")
        packed = DataType("index", "u1", width, torch.uint8)
        unpacked = unpack(indices.numpy(), int(np.prod(target)), packed).astype(np.int64)
        return lut[torch.from_numpy(unpacked)].reshape(target)
    rank, vector = indices.dim(), lut.shape[-1]
    blocks = torch.zeros(indices.shape, dtype=torch.int64)
    for axis, (length, count) in enumerate(zip(indices.shape, lut.shape, strict=False)):
        block = torch.arange(length) // (length // count)
        blocks = blocks * count + block.reshape([-1 if i == axis else 1 for i in range(rank)])
    dense = lut.flatten(0, -3)[blocks, indices.to(torch.int64)]
    if vector == 1:
        return dense.squeeze(-1)
    place = integer(vector_axis, 0) % rank
    return dense.movedim(-1, place + 1).flatten(place, place + 1)


@op("constexpr_sparse_to_dense", moves=True)
def constexpr_sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Tensor | None = None) -> Tensor:
    """Values where the mask is set, 0 elsewhere; with ``shape`` (iOS 16) the mask is packed bits."""
    if shape is not None:
        target = integers(shape, [])
        bits = unpack(mask.numpy(), int(np.prod(target)), DATA_TYPES[37])
        mask = torch.from_numpy(bits.astype(np.uint8)).reshape(target)
    dense = torch.zeros(mask.shape, dtype=nonzero_data.dtype)
    return dense.masked_scatter(mask != 0, nonzero_data)


@op("constexpr_lut_to_sparse", moves=True)
def constexpr_lut_to_sparse(
    indices_mask: Tensor, indices_nonzero_data: Tensor, lut: Tensor, vector_axis: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mask and values of ``constexpr_lut_to_dense`` where the mask is set."""
    indices = constexpr_sparse_to_dense(indices_nonzero_data, indices_mask)
    dense = constexpr_lut_to_dense(indices, lut, vector_axis=vector_axis)
    if lut.shape[-1] > 1:
        indices_mask = indices_mask.repeat_interleave(lut.shape[-1], integer(vector_axis, 0))
    return indices_mask, dense[indices_mask != 0]


@op("constexpr_sparse_blockwise_shift_scale")
def constexpr_sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Mask and values of ``constexpr_blockwise_shift_scale`` where the mask is set."""
    data = constexpr_sparse_to_dense(nonzero_data, data_mask)
    return data_mask, constexpr_blockwise_shift_scale(data, scale, offset)[data_mask != 0]
