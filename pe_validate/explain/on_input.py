"""Mistakes that are made with the image that a model is fed: its channels, its axes, its range, how it was resized."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pe_validate.inputs.feed import ImageFeed
from pe_validate.inputs.images import Sample, normalize, open_photograph, photographs
from pe_validate.inputs.preprocessing import PREPROCESSINGS, Preprocessing
from pe_validate.models.base import Model

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class OnInput:
    """A mistake with the image; ``change`` returns what the model is fed in place of a sample, or None if it cannot."""

    name: str
    saying: str
    change: Callable[[Sample], Array | None]


AXES: Final[tuple[tuple[str, str, Callable[[Array], Array | None]], ...]] = (
    ("bgr", "fed with BGR", lambda x: x[:, ::-1]),
    ("flipped", "fed with an image that is flipped left to right", lambda x: x[..., ::-1]),
    ("upside down", "fed with an image that is upside down", lambda x: x[..., ::-1, :]),
    ("turned", "fed with an image that is turned by 180°", lambda x: x[..., ::-1, ::-1]),
    ("transposed", "fed with an image whose rows are columns", lambda x: _square(x.swapaxes(2, 3))),
    ("turned", "fed with an image that is turned by 90°", lambda x: _square(np.rot90(x, 1, (2, 3)))),
    ("turned", "fed with an image that is turned by 270°", lambda x: _square(np.rot90(x, 3, (2, 3)))),
    ("channels last", "fed with NHWC that it reads as NCHW", lambda x: x.transpose(0, 2, 3, 1).reshape(x.shape)),
    (
        "channels last",
        "fed with NCHW that it reads as NHWC",
        lambda x: x.reshape(len(x), x.shape[2], x.shape[3], 3).transpose(0, 3, 1, 2),
    ),
    ("black", "fed with zeros", np.zeros_like),
)
"""What may be done to an image ``[batch, 3, height, width]`` of any range."""

CALLED: Final = {
    "pe": "pixels from -1 to 1",
    "imagenet": "ImageNet's mean and standard deviation",
    "clip": "CLIP's mean and standard deviation",
    "unit": "pixels from 0 to 1",
    "bytes": "pixels from 0 to 255",
}


def _square(image: Array) -> Array | None:
    return image if image.shape[2] == image.shape[3] else None


def on_input(model: Model, folder: Path | None = None) -> tuple[OnInput, ...]:
    """Return the mistakes with the input of ``model``; none if it takes no images.

    ``folder`` holds the photographs that its samples were made of, by default the project's own.
    """
    if len(model.inputs) != 1:
        return ()
    feed, shape = model.feed, model.input.shape
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        return ()
    last = shape[1] != 3

    def mistake(name: str, saying: str, change: Callable[[Array], Array | None]) -> OnInput:
        return OnInput(name, saying, lambda sample: _laid_out(sample.image, change, last=last))

    found = [mistake(*each) for each in AXES]
    if isinstance(feed, ImageFeed):
        found += [mistake(*each) for each in _ranges(feed.preprocessing)]
        if feed.batch == 1:
            found += _resized(feed, folder)
    return tuple(found)


def _laid_out(image: Array, change: Callable[[Array], Array | None], *, last: bool) -> Array | None:
    """Apply ``change``, which takes ``[batch, 3, height, width]``."""
    changed = change(image.transpose(0, 3, 1, 2) if last else image)
    if changed is None:
        return None
    return np.ascontiguousarray(changed.transpose(0, 2, 3, 1) if last else changed, np.float32)


def _ranges(own: Preprocessing) -> Iterator[tuple[str, str, Callable[[Array], Array]]]:
    """Yield other preprocessings than a model's own: in the place of its own, and after it."""
    for name, other in PREPROCESSINGS.items():
        if other != own:
            yield name, f"fed with {CALLED[name]}", partial(_again, other, own)
    for name, other in PREPROCESSINGS.items():
        if other != PREPROCESSINGS["unit"]:
            words = f"fed with {CALLED[name]}, made of an image that was prepared already"
            yield f"{name} twice", words, partial(_by, other)
    yield (
        "bytes as they are",
        "fed with pixels from 0 to 255, prepared as if from 0 to 1",
        (lambda x: _by(own, 255 * _pixels(x, own))),
    )


def _again(other: Preprocessing, own: Preprocessing, image: Array) -> Array:
    return _by(other, _pixels(image, own))


def _pixels(image: Array, own: Preprocessing) -> Array:
    """Return the pixels, from 0 to 1, that an image ``[batch, 3, height, width]`` was made of."""
    mean, std = (np.asarray(each, np.float32)[:, None, None] for each in (own.mean, own.std))
    pixels: Array = image * std + mean
    return pixels


def _by(other: Preprocessing, pixels: Array) -> Array:
    mean, std = (np.asarray(each, np.float32)[:, None, None] for each in (other.mean, other.std))
    image: Array = (pixels - mean) / std
    return image


def _resized(feed: ImageFeed, folder: Path | None) -> Iterator[OnInput]:
    """Yield other ways to bring a photograph to the model's size."""
    known = photographs(folder)
    size, width = feed.size, feed.width or feed.size

    def mistake(name: str, saying: str, resize: Callable[[Image.Image], NDArray[np.uint8]]) -> OnInput:
        def change(sample: Sample) -> Array | None:
            if sample.name not in known:
                return None
            image = normalize(resize(open_photograph(known[sample.name])), feed.preprocessing)
            return np.ascontiguousarray(image.transpose(0, 2, 3, 1)) if feed.channels_last else image

        return OnInput(name, saying, change)

    def by(method: Image.Resampling) -> Callable[[Image.Image], NDArray[np.uint8]]:
        return lambda image: np.asarray(image.resize((width, size), method), np.uint8)

    yield mistake("no antialias", "fed with images made smaller without antialias", lambda x: _sampled(x, size, width))
    yield mistake("crop", "fed with the middle of each image", lambda x: by(Image.Resampling.BILINEAR)(_middle(x)))
    yield mistake("crop", "fed with the middle of each image", lambda x: _fitted(x, size, width))
    yield mistake("bicubic", "fed with images resized bicubically", by(Image.Resampling.BICUBIC))
    yield mistake("nearest", "fed with images resized by the nearest pixel", by(Image.Resampling.NEAREST))
    yield mistake("lanczos", "fed with images resized by Lanczos' filter", by(Image.Resampling.LANCZOS))


def _sampled(photograph: Image.Image, size: int, width: int) -> NDArray[np.uint8]:
    """Resize by bilinear interpolation of the four nearest pixels."""
    import torch
    from torch.nn import functional

    whole = torch.from_numpy(np.asarray(photograph, np.float32).transpose(2, 0, 1)[None].copy())
    small = functional.interpolate(whole, size=(size, width), mode="bilinear", align_corners=False)
    pixels: NDArray[np.uint8] = small[0].permute(1, 2, 0).round().to(torch.uint8).numpy()
    return pixels


def _middle(photograph: Image.Image) -> Image.Image:
    side = min(photograph.size)
    left, top = ((length - side) // 2 for length in photograph.size)
    return photograph.crop((left, top, left + side, top + side))


def _fitted(photograph: Image.Image, size: int, width: int) -> NDArray[np.uint8]:
    """Bring the shorter side to its length, then cut off what the longer one has more."""
    factor = max(width / photograph.width, size / photograph.height)
    whole = (max(width, int(photograph.width * factor)), max(size, int(photograph.height * factor)))
    resized = photograph.resize(whole, Image.Resampling.BILINEAR)
    left, top = round((whole[0] - width) / 2), round((whole[1] - size) / 2)
    return np.asarray(resized.crop((left, top, left + width, top + size)), np.uint8)
