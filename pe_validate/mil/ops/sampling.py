"""Sampling of images at given positions: ``resample``, ``affine`` and ``crop_resize``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from pe_validate.mil.ops.registry import bounded, choice, flag, integer, number, op
from pe_validate.mil.ops.resizing import GRIDS

Axis = Callable[[Tensor, int, bool], Tensor]

_PIXELS: Final[dict[str, Axis]] = {
    "unnormalized": lambda c, n, align: c,
    "normalized_minus_one_to_one": lambda c, n, align: (c + 1) / 2 * (n - 1) if align else ((c + 1) * n - 1) / 2,
    "normalized_zero_to_one": lambda c, n, align: c * (n - 1) if align else c * n - 0.5,
}
"""Functions from coordinates to pixel indices, along an axis of length ``n``."""


def _mirror(c: Tensor, low: float, high: float) -> Tensor:
    """Reflect coordinates at ``low`` and ``high`` until they lie between them."""
    span = high - low
    if span <= 0:
        return torch.full_like(c, low)
    away = (c - low).abs() % (2 * span)
    return low + torch.minimum(away, 2 * span - away)


_PADDING: Final[dict[str, Callable[[Tensor, int], Tensor]]] = {
    "constant": lambda c, n: c,
    "border": lambda c, n: c.clamp(0, n - 1),
    "reflection": lambda c, n: _mirror(c, 0, n - 1),
    "symmetric": lambda c, n: _mirror(c, -0.5, n - 0.5).clamp(0, n - 1),
}
"""Functions from indices outside an axis of length ``n`` to indices inside it."""


def _pixel(x: Tensor, row: Tensor, column: Tensor, outside: float) -> Tensor:
    """Return the values of ``x`` at integer positions ``[batch, …]``, as ``[batch, channels, *row.shape[1:]]``."""
    height, width = x.shape[-2:]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
    index = place.to(torch.int64).flatten(1)[:, None].expand(-1, x.shape[1], -1)
    found = x.flatten(2).gather(2, index).reshape(*x.shape[:2], *row.shape[1:])
    return torch.where(inside[:, None], found, outside)


def _sample(x: Tensor, row: Tensor, column: Tensor, sampling_mode: str, outside: float) -> Tensor:
    """Sample ``x``, ``[batch, channels, height, width]``, at fractional positions ``[batch, …]``."""
    if choice("sampling_mode", sampling_mode, {"nearest": True, "bilinear": False}):
        return _pixel(x, row.round(), column.round(), outside)
    top, left = row.floor(), column.floor()
    down, right = (row - top)[:, None].float(), (column - left)[:, None].float()
    upper = _pixel(x, top, left, outside) * (1 - right) + _pixel(x, top, left + 1, outside) * right
    lower = _pixel(x, top + 1, left, outside) * (1 - right) + _pixel(x, top + 1, left + 1, outside) * right
    return upper * (1 - down) + lower * down


@op("resample")
def resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Tensor,
    coordinates_mode: str,
    align_corners: Tensor,
) -> Tensor:
    """Sample ``x`` at ``coordinates[batch, height, width]``, each of which is (x, y)."""
    pixels = choice("coordinates_mode", coordinates_mode, _PIXELS)
    inward = choice("padding_mode", padding_mode, _PADDING)
    height, width = x.shape[-2:]
    column, row = coordinates.double().unbind(-1)
    row = inward(pixels(row, height, flag(align_corners)), height)
    column = inward(pixels(column, width, flag(align_corners)), width)
    return _sample(x, row, column, sampling_mode, number(padding_value, 0))


@op("affine")
def affine(
    x: Tensor,
    transform_matrix: Tensor,
    output_height: Tensor,
    output_width: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Tensor,
    coordinates_mode: str,
    align_corners: Tensor,
) -> Tensor:
    """Sample ``x`` at an affine function of the output's positions, ``[a0, a1, a2, b0, b1, b2]`` per image."""
    height, width = bounded(integer(output_height, 1), integer(output_width, 1))
    down = torch.linspace(-1, 1, height, dtype=torch.float64)
    across = torch.linspace(-1, 1, width, dtype=torch.float64)
    rows, columns = torch.meshgrid(down, across, indexing="ij")
    matrix = transform_matrix.double().reshape(-1, 2, 3).expand(x.shape[0], 2, 3)
    coordinates = torch.stack([columns, rows, torch.ones_like(rows)], -1) @ matrix[:, None].mT
    return resample(x, coordinates, sampling_mode, padding_mode, padding_value, coordinates_mode, align_corners)


def _spans(boxes: Tensor, mode: str) -> Tensor:
    """Return the first and last row and the first and last column, ``[N, 2, 2]``, of ``boxes`` ``[N, 4]``."""
    convention, _, order = mode.rpartition("_FIRST")[0].rpartition("_")
    choice("box_coordinate_mode", mode, dict.fromkeys(f"{c}_{o}_FIRST" for c in _CONVENTIONS for o in _ORDERS))
    first, second = boxes[:, :2], boxes[:, 2:]
    if convention == "CENTER_SIZE":
        first, second = first - second / 2, first + second / 2
    spans = torch.stack([first, second], 2)
    return spans.flip(1) if order == "WIDTH" else spans


_CONVENTIONS: Final = ("CORNERS", "CENTER_SIZE")
_ORDERS: Final = ("HEIGHT", "WIDTH")


@op("crop_resize")
def crop_resize(
    x: Tensor,
    roi: Tensor | None = None,
    boxes: Tensor | None = None,
    box_indices: Tensor | None = None,
    target_height: Tensor | None = None,
    target_width: Tensor | None = None,
    normalized_coordinates: Tensor | None = None,
    spatial_scale: Tensor | None = None,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: Tensor | None = None,
) -> Tensor:
    """Crop boxes from images, and resize each by bilinear interpolation.

    Up to iOS 16 ``roi`` is ``[N, 1, 4 or 5, 1, 1]``, five with the image's index first, and the result is
    ``[N, images or 1, channels, height, width]``. From iOS 17 on there are ``boxes [N, 4]`` and their images'
    indices, and the result is ``[N, channels, height, width]``.
    """
    if boxes is not None:
        corners, images = boxes, torch.arange(len(boxes)) if box_indices is None else box_indices
    elif roi is None:
        raise ValueError("it has neither roi nor boxes")
    elif roi.shape[2] == 5:
        corners, images = roi.flatten(1)[:, 1:], roi.flatten(1)[:, 0]
    else:
        corners, images = roi.flatten(1).repeat_interleave(len(x), 0), torch.arange(len(x)).repeat(len(roi))
    spans = _spans(corners.double(), box_coordinate_mode) * number(spatial_scale, 1)
    if flag(normalized_coordinates):
        spans = spans * torch.tensor([[x.shape[2] - 1], [x.shape[3] - 1]])
    grid = choice("sampling_mode", sampling_mode, GRIDS)
    sizes = bounded(integer(target_height, 1), integer(target_width, 1))
    places = [
        torch.stack([start + grid(end - start + 1, size) for start, end in spans[:, axis].tolist()])
        for axis, size in enumerate(sizes)
    ]
    row = places[0][:, :, None].expand(-1, -1, sizes[1])
    column = places[1][:, None].expand(-1, sizes[0], -1)
    inside = (row >= 0) & (row <= x.shape[2] - 1) & (column >= 0) & (column <= x.shape[3] - 1)
    crops = _sample(x[images.to(torch.int64)], row, column, "bilinear", 0)
    crops = torch.where(inside[:, None], crops, number(pad_value, 0))
    return crops if roi is None else crops.reshape(len(roi), -1, *crops.shape[1:])
