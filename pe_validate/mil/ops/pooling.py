"""Pooling of ``[batch, channels, *spatial]`` with one to three spatial axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.ops.linear import flat_padding, padding
from pe_validate.mil.ops.registry import flag, integers, op


@dataclass(frozen=True, slots=True)
class _Window:
    kernel: list[int]
    strides: list[int]
    pads: list[tuple[int, int]]
    ceil_mode: bool

    @property
    def native(self) -> list[int] | None:
        """The padding as torch takes it (symmetric, at most half of the kernel), or None."""
        fits = all(b == a and b <= k // 2 for (b, a), k in zip(self.pads, self.kernel, strict=True))
        return [before for before, _ in self.pads] if fits else None

    def average(self, x: Tensor, pad: list[int] | int = 0, count_padding: bool = True) -> Tensor:
        """Return the mean over each window."""
        function: Callable[..., Tensor] = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[len(self.kernel) - 1]
        return function(x, self.kernel, self.strides, pad, self.ceil_mode, count_padding)


def _window(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None,
    pad_type: str,
    pad: Tensor | None,
    ceil_mode: Tensor | None,
) -> _Window:
    kernel = integers(kernel_sizes, [])
    steps = integers(strides, [1] * len(kernel))
    return _Window(kernel, steps, padding(pad_type, pad, x.shape[2:], kernel, steps), flag(ceil_mode))


@op("max_pool", moves=True)
def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    """Return the largest value in each window; padding never wins."""
    window = _window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    native = window.native
    if native is None:
        x, native = F.pad(x, flat_padding(window.pads), value=-inf), [0] * len(window.kernel)
    function: Callable[..., Tensor] = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[len(window.kernel) - 1]
    return function(x, window.kernel, window.strides, native, ceil_mode=window.ceil_mode)


@op("avg_pool")
def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    exclude_padding_from_average: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    """Return the mean of each window; padding counts as zeros unless it is excluded."""
    window = _window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    exclude = flag(exclude_padding_from_average)
    if window.native is not None:
        return window.average(x, window.native, not exclude)
    pads = flat_padding(window.pads)
    mean = window.average(F.pad(x, pads))
    return mean / window.average(F.pad(torch.ones_like(x), pads)) if exclude else mean


@op("l2_pool")
def l2_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    """Return the square root of the sum of squares in each window."""
    window = _window(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    squares = F.pad(x, flat_padding(window.pads)).square()
    size = torch.tensor(window.kernel).prod()
    return torch.sqrt(window.average(squares) * size)
