"""Pixel values as the images that a package with an image input takes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError


def as_declared(values: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic] | Image.Image:
    """Return float values ``[1, channels, height, width]`` as ``spec`` declares them: as an image, or as they are.

    Values of an image of 8-bit pixels are whole numbers from 0 to 255, red first whatever the declared order: Core ML
    reorders colours itself.

    Raises:
        RunError: they are not.
    """
    if not spec.pixels:
        return values
    plane = values[0].astype(np.float32)
    if not spec.takes_bytes:
        return Image.fromarray(plane[0])
    if not np.array_equal(plane, np.rint(plane)) or plane.min() < 0 or plane.max() > 255:
        raise RunError(f"The artifact takes {spec}: give its pixels as whole numbers from 0 to 255.")
    pixels = plane.astype(np.uint8)
    return Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0)))


def as_array(answer: NDArray[np.generic] | Image.Image) -> NDArray[np.generic]:
    """Return a given array, or the pixels of an image as float32 ``[1, channels, height, width]``, red first."""
    if not isinstance(answer, Image.Image):
        return answer
    pixels = np.asarray(answer, np.float32)
    return pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None]


def in_range(values: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    """Return the values of an image output within the range of its pixels, red first."""
    clipped: NDArray[np.generic] = np.clip(values, 0, 255)
    return np.ascontiguousarray(clipped[:, ::-1] if spec.pixels == "BGR" else clipped)
