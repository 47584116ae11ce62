"""Products whose running sum is rounded to float16 every few terms.

An engine that computes in float16 may keep its sums in float32, or round them on the way; Core ML does not document
which. With these operators in place of those in ``linear``, the evaluator shows how much it matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod, sqrt
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops import linear
from pe_validate.mil.ops.registry import flag, integer, integers


def product(x: Tensor, y: Tensor, terms: int) -> Tensor:
    """Return ``x @ y``, with the running sum rounded to float16 after every ``terms`` products."""
    total = torch.zeros(())
    for start in range(0, x.shape[-1], terms):
        part = x[..., start : start + terms] @ y[..., start : start + terms, :]
        total = (total + part).half().float()
    return total


def _matmul(
    terms: int, x: Tensor, y: Tensor, transpose_x: Tensor | None = None, transpose_y: Tensor | None = None
) -> Tensor:
    """Return ``matmul`` with a rounded running sum; products with a vector are not rounded."""
    if x.dim() < 2 or y.dim() < 2:
        return linear.matmul(x, y, transpose_x, transpose_y)
    return product(x.mT if flag(transpose_x) else x, y.mT if flag(transpose_y) else y, terms)


def _attention(terms: int, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    """Return attention as two such products; the softmax between them is not rounded again."""
    scores = product(query / sqrt(query.shape[-1]), key.mT, terms)
    if attn_mask is not None:
        keeps = attn_mask.dtype is torch.bool
        scores = scores.masked_fill(~attn_mask, -torch.inf) if keeps else scores + attn_mask
    return product(scores.softmax(-1), value, terms)


def _conv(
    terms: int,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """Return a convolution of images as the product of weights and windows.

    Raises:
        ValueError: it does not have two spatial axes.
    """
    if x.dim() != 4:
        raise ValueError("rounded sums of a convolution are for two spatial axes")
    kernel, parts = tuple(weight.shape[2:]), integer(groups, 1)
    steps, holes = tuple(integers(strides, [1, 1])), tuple(integers(dilations, [1, 1]))
    window = [(k - 1) * d + 1 for k, d in zip(kernel, holes, strict=True)]
    x = F.pad(x, linear.flat_padding(linear.padding(pad_type, pad, x.shape[2:], window, steps)))
    size = [(n - w) // s + 1 for n, w, s in zip(x.shape[2:], window, steps, strict=True)]
    windows = F.unfold(x, kernel, holes, 0, steps)
    windows = windows.reshape(len(x), parts, -1, prod(size))
    sums = product(weight.reshape(parts, len(weight) // parts, -1), windows, terms)
    sums = sums.reshape(len(x), len(weight), *size)
    return sums if bias is None else sums + bias.reshape(-1, 1, 1)


def _linear(terms: int, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    sums = product(x, weight.mT, terms)
    return sums if bias is None else sums + bias


def _einsum(terms: int, values: Sequence[Tensor], equation: str) -> Tensor:
    """Return the Einstein summation, summed along the first index that the result lacks, ``terms`` at a time."""
    inputs, _, result = equation.replace(" ", "").partition("->")
    names = inputs.split(",")
    summed = next((index for index in names[0] if index not in result and index in names[1]), None)
    if summed is None:
        return linear.einsum(values, equation)
    total = torch.zeros(())
    axes = [name.index(summed) for name in names]
    for start in range(0, values[0].shape[axes[0]], terms):
        length = min(terms, values[0].shape[axes[0]] - start)
        parts = [value.narrow(axis, start, length) for value, axis in zip(values, axes, strict=True)]
        total = (total + torch.einsum(equation, *parts)).half().float()
    return total


ROUNDED: Final[dict[str, Callable[..., Tensor]]] = {
    "linear": _linear,
    "matmul": _matmul,
    "einsum": _einsum,
    "scaled_dot_product_attention": _attention,
    "conv": _conv,
}
"""Operators by name; each takes ``terms``, the number of products between two roundings, as its first argument."""
