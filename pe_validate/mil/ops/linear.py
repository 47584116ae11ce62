"""Matrix products, attention and convolutions. Each accumulates in float32."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops.registry import flag, integer, integers, op


@op("linear")
def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x @ weight.T + bias``."""
    x, weight = _promoted(x, weight)
    return F.linear(x, weight, None if bias is None else bias.to(x.dtype))


@op("matmul")
def matmul(x: Tensor, y: Tensor, transpose_x: Tensor | None = None, transpose_y: Tensor | None = None) -> Tensor:
    """Return the batched product, with NumPy broadcasting; a vector is never transposed."""
    if flag(transpose_x) and x.dim() > 1:
        x = x.transpose(-1, -2)
    if flag(transpose_y) and y.dim() > 1:
        y = y.transpose(-1, -2)
    return torch.matmul(*_promoted(x, y))


def _promoted(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in a type that can hold either; from iOS 17 on, a constant operand may have another type."""
    common = torch.promote_types(x.dtype, y.dtype)
    return x.to(common), y.to(common)


@op("einsum", variadic=("values",))
def einsum(values: Sequence[Tensor], equation: str) -> Tensor:
    """Return the Einstein summation."""
    return torch.einsum(equation, *values)


@op("scaled_dot_product_attention")
def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Return ``softmax(query @ key.T / sqrt(width) + mask) @ value``; a boolean mask is true where keys take part."""
    return F.scaled_dot_product_attention(query, key, value, attn_mask=attn_mask)


def padding(
    pad_type: str, pad: Tensor | None, size: Sequence[int], window: Sequence[int], strides: Sequence[int]
) -> list[tuple[int, int]]:
    """Return the number of elements to add before and after each spatial axis.

    ``window`` is the kernel's extent with its dilation. ``same`` adds what makes ``ceil(size / stride)``
    outputs, an odd one after; ``same_lower`` puts an odd one before.

    Raises:
        ValueError: the padding type is unknown.
    """
    if pad_type == "valid":
        return [(0, 0)] * len(size)
    if pad_type == "custom":
        flat = integers(pad, [0] * 2 * len(size))
        return list(zip(flat[::2], flat[1::2], strict=True))
    if pad_type not in ("same", "same_lower"):
        raise ValueError(f"pad_type '{pad_type}' is unknown")
    totals = [max(0, s * ceil(n / s) - n + k - s) for n, k, s in zip(size, window, strides, strict=True)]
    halves = [(total // 2, total - total // 2) for total in totals]
    return halves if pad_type == "same" else [(after, before) for before, after in halves]


def flat_padding(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Return the padding in the order of ``torch.nn.functional.pad``: last axis first."""
    return [amount for pair in reversed(pads) for amount in pair]


@op("conv")
def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """Convolve ``[batch, channels, *spatial]`` with one to three spatial axes."""
    rank = x.dim() - 2
    steps, holes = integers(strides, [1] * rank), integers(dilations, [1] * rank)
    window = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], holes, strict=True)]
    pads = padding(pad_type, pad, x.shape[2:], window, steps)
    if any(before != after for before, after in pads):
        x, pads = F.pad(x, flat_padding(pads)), [(0, 0)] * rank
    function = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    return function(x, weight, bias, steps, [before for before, _ in pads], holes, integer(groups, 1))


@op("conv_transpose")
def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Tensor | None = None,
    output_shape: Tensor | None = None,
    pad_type: str = "valid",
    strides: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """Return the transposed convolution: the full result, cropped by the padding to the output shape."""
    rank = x.dim() - 2
    steps, holes = integers(strides, [1] * rank), integers(dilations, [1] * rank)
    function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[rank - 1]
    full = function(x, weight, None, steps, 0, 0, integer(groups, 1), holes)
    for axis in range(rank):
        length = full.shape[axis + 2]
        if pad_type == "same":
            extent = x.shape[axis + 2] * steps[axis]
            before = max(0, length - extent) // 2
        else:
            before, after = padding(pad_type, pad, x.shape[2:], steps, steps)[axis]
            extent = length - before - after
        if output_shape is not None:
            extent = integers(output_shape, [])[axis + 2]
        missing = max(0, before + extent - length)  # output padding to which no input contributes
        if missing:
            full = F.pad(full, [0, 0] * (rank - 1 - axis) + [0, missing])
        full = full.narrow(axis + 2, before, extent)
    return full if bias is None else full + bias.reshape(1, -1, *(1,) * rank)
