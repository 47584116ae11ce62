"""Resizing of the last axes by interpolation.

Sampling grids follow the MIL reference's formulas, for an axis of ``n`` values resized to ``m``.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import Final

import torch
from torch import Tensor

from pe_validate.mil.ops.registry import bounded, choice, flag, integer, integers, number, op


def _strict_align_corners(n: float, m: int) -> Tensor:
    return _steps(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)


def _align_corners(n: float, m: int) -> Tensor:
    return _strict_align_corners(n, m) if m > 1 else torch.tensor([(n - 1) / 2], dtype=torch.float64)


def _default(n: float, m: int) -> Tensor:
    return _steps(m) * (n / m)


def _offset_corners(n: float, m: int) -> Tensor:
    delta = max(1, n - 1) / m
    return 0.5 * delta + _steps(m) * delta


def _unalign_corners(n: float, m: int) -> Tensor:
    return (_steps(m) + 0.5) * (n / m) - 0.5


def _steps(m: int) -> Tensor:
    return torch.arange(m, dtype=torch.float64)


GRIDS: Final[dict[str, Callable[[float, int], Tensor]]] = {
    "STRICT_ALIGN_CORNERS": _strict_align_corners,
    "ALIGN_CORNERS": _align_corners,
    "DEFAULT": _default,
    "OFFSET_CORNERS": _offset_corners,
    "UNALIGN_CORNERS": _unalign_corners,
}


def _grid(x: Tensor, axis: int, size: int, sampling_mode: str) -> Tensor:
    """Return the positions, along an axis of ``x``, of the ``size`` values of the result."""
    bounded(x.numel() // max(x.shape[axis], 1), size)
    grid: Tensor = choice("sampling_mode", sampling_mode, GRIDS)(x.shape[axis], size)
    return grid.clamp(0, x.shape[axis] - 1)


def _interpolate(x: Tensor, axis: int, size: int, sampling_mode: str) -> Tensor:
    """Interpolate linearly along one axis."""
    last = x.shape[axis] - 1
    grid = _grid(x, axis, size, sampling_mode)
    low = grid.floor().to(torch.int64)
    weight = (grid - low).to(torch.float32).reshape([-1 if i == axis % x.dim() else 1 for i in range(x.dim())])
    lower, upper = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp(max=last))
    return lower * (1 - weight) + upper * weight


def _round(x: Tensor, axis: int, size: int, sampling_mode: str) -> Tensor:
    """Take the nearest neighbours on a sampling grid along one axis."""
    grid = _grid(x, axis, size, sampling_mode)
    if bool((grid % 1 == 0.5).any()):
        raise ValueError(f"for {size} values of {x.shape[axis]} some are halfway between two, and none is nearest")
    return x.index_select(axis, grid.round().to(torch.int64))


def _bilinear(x: Tensor, height: int, width: int, sampling_mode: str) -> Tensor:
    return _interpolate(_interpolate(x, -2, height, sampling_mode), -1, width, sampling_mode)


def _nearest(x: Tensor, axis: int, size: int) -> Tensor:
    bounded(x.numel() // max(x.shape[axis], 1), size)
    index = (_steps(size) * (x.shape[axis] / size)).floor().to(torch.int64)
    return x.index_select(axis, index.clamp(max=x.shape[axis] - 1))


@op("resize_bilinear")
def resize_bilinear(
    x: Tensor,
    target_size_height: Tensor | None = None,
    target_size_width: Tensor | None = None,
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Interpolate the last two axes bilinearly to a given size."""
    return _bilinear(x, integer(target_size_height, 1), integer(target_size_width, 1), sampling_mode)


@op("upsample_bilinear")
def upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor | None = None,
    scale_factor_width: Tensor | None = None,
    align_corners: Tensor | None = None,
    half_pixel_centers: Tensor | None = None,
) -> Tensor:
    """Interpolate the last two axes bilinearly by scale factors, recomputed from the output size."""
    align = flag(align_corners, True)
    half = flag(half_pixel_centers, not align)
    mode = "STRICT_ALIGN_CORNERS" if align else "UNALIGN_CORNERS" if half else "DEFAULT"
    height = floor(x.shape[-2] * number(scale_factor_height, 1))
    return _bilinear(x, height, floor(x.shape[-1] * number(scale_factor_width, 1)), mode)


@op("resize_nearest_neighbor", moves=True)
def resize_nearest_neighbor(x: Tensor, target_size_height: Tensor, target_size_width: Tensor) -> Tensor:
    """Resize the last two axes to a given size by nearest neighbours, ``floor(i * n / m)``."""
    return _nearest(_nearest(x, -2, integer(target_size_height, 1)), -1, integer(target_size_width, 1))


@op("upsample_nearest_neighbor", moves=True)
def upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Tensor | None = None, scale_factor_width: Tensor | None = None
) -> Tensor:
    """Resize the last two axes by scale factors, by nearest neighbours."""
    height = floor(x.shape[-2] * number(scale_factor_height, 1))
    return _nearest(_nearest(x, -2, height), -1, floor(x.shape[-1] * number(scale_factor_width, 1)))


@op("resize")
def resize(
    x: Tensor,
    shape: Tensor,
    resized_dims: Tensor,
    interpolation_mode: str = "LINEAR",
    sampling_mode: str = "DEFAULT",
) -> Tensor:
    """Resize the last ``resized_dims`` axes, linearly or by nearest neighbours; a size of 0 keeps an axis.

    Raises:
        ValueError: a place is halfway between two neighbours; the reference leaves open which is nearest.
    """
    interpolate = choice("interpolation_mode", interpolation_mode, {"LINEAR": _interpolate, "NEAREST_NEIGHBOR": _round})
    sizes = integers(shape, [])[-integer(resized_dims, 0) :]
    for axis, size in enumerate(sizes, start=x.dim() - len(sizes)):
        x = interpolate(x, axis, size, sampling_mode) if size not in (0, x.shape[axis]) else x
    return x
