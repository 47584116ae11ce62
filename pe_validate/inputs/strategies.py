"""Hypothesis strategies for images that a vision model may be given, and for their memory layouts.

Each drawn image is a :class:`Drawn`, whose ``repr`` says how to make it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from pe_validate.inputs.images import Tensor, normalize, open_photograph, photographs, squash

UNIT: Final = st.floats(-1, 1, width=32)
"""A pixel after Meta's normalisation."""

SEEDS: Final = st.integers(0, 2**32 - 1)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A drawn image, float32 ``[1, 3, size, size]`` in [-1, 1], and the recipe that made it."""

    recipe: str
    image: Tensor

    def __repr__(self) -> str:
        return self.recipe


def images(size: int) -> st.SearchStrategy[Drawn]:
    """Draw an image of any of the :data:`KINDS`."""
    return st.one_of([kind(size) for kind in KINDS])


@st.composite
def photograph_crops(draw: st.DrawFn, size: int) -> Drawn:
    """Draw a crop of a photograph, at least 32 pixels wide and high, perhaps mirrored, squashed to ``size``."""
    name = draw(st.sampled_from(sorted(photographs())))
    photograph = _photograph(name)
    left = draw(st.integers(0, photograph.width - 32))
    top = draw(st.integers(0, photograph.height - 32))
    right = draw(st.integers(left + 32, photograph.width))
    bottom = draw(st.integers(top + 32, photograph.height))
    mirrored = draw(st.booleans())
    part = photograph.crop((left, top, right, bottom))
    if mirrored:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    recipe = f"photograph {name} crop {(left, top, right, bottom)} mirrored {mirrored}"
    return Drawn(recipe, normalize(squash(part, size)))


@st.composite
def constants(draw: st.DrawFn, size: int) -> Drawn:
    """Draw a single colour: every patch is the same, and only positions distinguish tokens."""
    colour = draw(st.tuples(UNIT, UNIT, UNIT))
    return Drawn(f"constant {colour}", _paint(size, lambda row, column: np.array(colour)[:, None, None]))


@st.composite
def gradients(draw: st.DrawFn, size: int) -> Drawn:
    """Draw a linear ramp between two values, at an angle in radians."""
    low, high, angle = draw(UNIT), draw(UNIT), draw(st.floats(0, 2 * np.pi))

    def ramp(row: NDArray[np.float64], column: NDArray[np.float64]) -> NDArray[np.float64]:
        along = np.cos(angle) * column + np.sin(angle) * row
        span = along.max() - along.min()
        return np.asarray(low + (high - low) * (along - along.min()) / span)

    return Drawn(f"gradient from {low} to {high} at {angle}", _paint(size, ramp))


@st.composite
def checkerboards(draw: st.DrawFn, size: int) -> Drawn:
    """Draw squares of two values, 1 to 64 pixels wide: edges inside and between patches."""
    side, low, high = draw(st.integers(1, 64)), draw(UNIT), draw(UNIT)
    return Drawn(
        f"checkerboard of {side} px, {low} and {high}",
        _paint(size, lambda row, column: np.where((row // side + column // side) % 2, low, high)),
    )


@st.composite
def hot_pixels(draw: st.DrawFn, size: int) -> Drawn:
    """Draw black with one channel of one pixel lit: all tokens but one see the same patch."""
    channel = draw(st.integers(0, 2))
    row, column = draw(st.integers(0, size - 1)), draw(st.integers(0, size - 1))
    image = np.full((1, 3, size, size), -1, np.float32)
    image[0, channel, row, column] = 1
    return Drawn(f"hot pixel in channel {channel} at row {row}, column {column}", image)


@st.composite
def uniform_noise(draw: st.DrawFn, size: int) -> Drawn:
    """Draw independent pixels, uniform in [-1, 1]."""
    seed = draw(SEEDS)
    noise = np.random.default_rng(seed).uniform(-1, 1, (1, 3, size, size))
    return Drawn(f"uniform noise of default_rng({seed})", noise.astype(np.float32))


@st.composite
def extreme_noise(draw: st.DrawFn, size: int) -> Drawn:
    """Draw independent pixels, each -1 or 1: the largest possible input energy."""
    seed = draw(SEEDS)
    noise = np.random.default_rng(seed).choice(np.array([-1, 1], np.float32), (1, 3, size, size))
    return Drawn(f"extreme noise of default_rng({seed})", noise)


Kind = Callable[[int], st.SearchStrategy[Drawn]]

KINDS: Final[tuple[Kind, ...]] = (
    photograph_crops,
    constants,
    gradients,
    checkerboards,
    hot_pixels,
    uniform_noise,
    extreme_noise,
)
"""Every kind of image: functions from a size in pixels to a strategy."""

LAYOUTS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "contiguous": np.ascontiguousarray,
    "channels last": lambda image: np.ascontiguousarray(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "column major": np.asfortranarray,
    "sliced": lambda image: np.repeat(image, 2, axis=3)[..., ::2],
    "reversed": lambda image: np.ascontiguousarray(image[..., ::-1])[..., ::-1],
}
"""The same values in other memory layouts, by name."""


def layouts() -> st.SearchStrategy[str]:
    """Draw a key of :data:`LAYOUTS`."""
    return st.sampled_from(sorted(LAYOUTS))


@cache
def _photograph(name: str) -> Image.Image:
    return open_photograph(photographs()[name])


def _paint(size: int, value: Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]) -> Tensor:
    """Evaluate ``value(row, column)``, of shape ``[size, size]`` or ``[3, 1, 1]``, over the image."""
    row, column = np.indices((size, size), dtype=np.float64)
    return np.broadcast_to(value(row, column), (1, 3, size, size)).astype(np.float32).clip(-1, 1)
