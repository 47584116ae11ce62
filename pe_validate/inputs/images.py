"""Turn photographs and structured images into input tensors by Meta's preprocessing.

Pixels are uint8 RGB, ``[height, width, 3]``; a Perception Encoder takes float32 ``[1, 3, size, size]`` in [-1, 1].
Images are square if no width is given.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, Final, NoReturn, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from pe_validate.inputs.preprocessing import PREPROCESSINGS, Preprocessing
from pe_validate.system.errors import LoadError
from pe_validate.system.files import plain_file, shipped

Pixels = NDArray[np.uint8]
Tensor = NDArray[np.float32]

DECOMPRESSION_BOMBS: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
STRUCTURED: Final = frozenset({"gradient", "checkerboard", "hot-pixel"})
LARGEST: Final = 2**29
"""The most bytes of an image file: more than a bitmap with the most pixels that Pillow opens."""
SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


KEPT: Final = 64
"""The number of photographs of which the pixels stay in memory; more are read again whenever they are needed."""

WHOLE: Final = 4
"""The number of whole photographs that stay in memory while crops are made of them."""


class Sample:
    """The values of every input of a model, in order: float32 ``[1, 3, size, size]`` for an encoder.

    ``values`` may be a function that returns them, which is called whenever they are needed.
    """

    def __init__(
        self, name: str, values: tuple[NDArray[np.generic], ...] | Callable[[], tuple[NDArray[np.generic], ...]]
    ) -> None:
        self.name, self._values = name, values

    @classmethod
    def of(cls, name: str, image: NDArray[np.generic]) -> Self:
        """Return the sample of a model with one input."""
        return cls(name, (image,))

    @property
    def values(self) -> tuple[NDArray[np.generic], ...]:
        """The values of every input, in order."""
        return self._values() if callable(self._values) else self._values

    @property
    def image(self) -> Tensor:
        """The only input, in float32."""
        (image,) = self.values
        return image.astype(np.float32, copy=False)

    @cached_property
    def digest(self) -> str:
        """The sha256 of the values."""
        total = hashlib.sha256()
        for values in self.values:
            total.update(np.ascontiguousarray(values).data)
        return total.hexdigest()

    def __repr__(self) -> str:
        return f"Sample({self.name!r})"


def squash(photograph: Image.Image, size: int, width: int | None = None) -> Pixels:
    """Resize to ``size`` × ``width`` by antialiased bilinear interpolation, without keeping the aspect ratio.

    Source: ``core/vision_encoder/transforms.py`` of facebookresearch/perception_models.
    """
    resized = as_rgb(photograph).resize((width or size, size), Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)


def as_rgb(image: Image.Image) -> Image.Image:
    """Return an image as RGB, itself if it is: Pillow would copy it."""
    return image if image.mode == "RGB" else image.convert("RGB")


def greyed(pixels: Pixels) -> Pixels:
    """Return RGB pixels in which every colour is the luminance (ITU-R 601, as Pillow computes it)."""
    return np.repeat(np.asarray(Image.fromarray(pixels).convert("L"))[..., None], 3, axis=-1)


def normalize(pixels: Pixels, preprocessing: Preprocessing = PREPROCESSINGS["pe"]) -> Tensor:
    """Convert uint8 ``[height, width, 3]`` to float32 ``[1, 3, height, width]``, by default in [-1, 1]."""
    mean, std = (np.reshape(each, (3, 1, 1)).astype(np.float32) for each in (preprocessing.mean, preprocessing.std))
    scaled = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None]).astype(np.float32)  # first, for loops over rows
    scaled /= np.float32(255)
    scaled -= mean
    scaled /= std
    return scaled


def pixels_of(
    image: NDArray[np.generic], preprocessing: Preprocessing = PREPROCESSINGS["pe"], axis: int = 1
) -> NDArray[np.float64]:
    """Return the pixels, whole numbers from 0 to 255, that an input was made of, in its layout; undoes ``normalize``.

    ``axis`` is that of the channels; grey images have one.
    """
    shape = [image.shape[axis] if at == axis % image.ndim else 1 for at in range(image.ndim)]
    channels = image.shape[axis]
    mean, std = (np.reshape(each[:channels], shape) for each in (preprocessing.mean, preprocessing.std))
    pixels: NDArray[np.float64] = np.clip(np.rint((image * std + mean) * 255), 0, 255)
    return pixels


def photographs(folder: Path | None = None) -> dict[str, Path]:
    """Return the paths of the photographs in ``folder`` and the folders in it, by name; by default the project's own.

    The name of a photograph is its path from ``folder``, without its suffix.

    Raises:
        LoadError: a folder is missing, unreadable or without images, or two inputs would have the same name.
    """
    folder = folder or shipped("fixtures") / "images"
    try:
        if not folder.is_dir():
            raise LoadError(f"No folder of photographs at '{folder}'.")
        below = (Path(parent, name) for parent, _, names in os.walk(folder, onerror=_raise) for name in names)
        paths = sorted(path for path in below if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        raise LoadError(
            f"Folder of photographs '{folder}' cannot be read ({error.strerror or error}): name another."
        ) from error
    found: dict[str, Path] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found or name in STRUCTURED:
            raise LoadError(f"Photograph '{path}' shares its name with another input: rename it.")
        found[name] = path
    if not found:
        raise LoadError(f"No image in '{folder}': expected files ending in {', '.join(SUFFIXES)}.")
    return found


def _raise(error: OSError) -> NoReturn:
    raise error


def open_photograph(path: Path) -> Image.Image:
    """Read one image file as RGB.

    Raises:
        LoadError: it is not a readable image.
    """
    try:
        return decoded(plain_file(path, LARGEST), str(path))
    except OSError as error:
        raise LoadError(f"Photograph '{path}' cannot be read: {error}.") from error


def decoded(source: Path | IO[bytes], name: str) -> Image.Image:
    """Decode an image as RGB; ``name`` is what it is called.

    Raises:
        LoadError: it is not a readable image.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source) as image:
                image.load()
                return as_rgb(image)
    # Pillow's decoders raise exceptions of their own for damage; decompression bombs first cause a warning.
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, *DECOMPRESSION_BOMBS) as error:
        raise LoadError(f"Photograph '{name}' cannot be read: {error}.") from error


def structured(size: int, width: int | None = None) -> dict[str, Pixels]:
    """Return images unlike any photograph, by name: a ramp over both axes, edges at every patch, one lit pixel."""
    width = width or size
    row, column = np.indices((size, width))
    gradient = np.stack([row, column, (row + column) // 2], axis=-1) * 255 // max(size - 1, width - 1, 1)
    checkerboard = np.repeat((((row // 8 + column // 8) % 2) * 255)[..., None], 3, axis=-1)
    hot_pixel = np.zeros((size, width, 3))
    hot_pixel[size // 3, width // 2, 0] = 255
    images = {"gradient": gradient, "checkerboard": checkerboard, "hot-pixel": hot_pixel}
    return {name: image.astype(np.uint8) for name, image in images.items()}


class _Squashed(Mapping[str, Pixels]):
    """Photographs at one size, then structured images, by name. Of more than KEPT, the last ones stay in memory."""

    def __init__(self, size: int, width: int | None, folder: Path | None) -> None:
        self._paths, self._structured = photographs(folder), structured(size, width)
        self._read = lru_cache(KEPT)(lambda name: squash(open_photograph(self._paths[name]), size, width))
        for name in self._paths:  # so that a damaged one is named before the long work
            self._read(name)

    def __getitem__(self, name: str) -> Pixels:
        return self._structured[name] if name in self._structured else self._read(name)

    def __iter__(self) -> Iterator[str]:
        return iter((*self._paths, *self._structured))

    def __len__(self) -> int:
        return len(self._paths) + len(self._structured)


def default_pixels(size: int, folder: Path | None = None, width: int | None = None) -> Mapping[str, Pixels]:
    """Return the images of ``pe-validate run`` by name: every photograph, then the structured images.

    Raises:
        LoadError: see :func:`photographs` and :func:`open_photograph`.
    """
    return _Squashed(size, width, folder)


def crops(size: int, count: int, seed: int, folder: Path | None = None, width: int | None = None) -> dict[str, Pixels]:
    """Return ``count`` crops of the photographs in turn, by name, squashed to ``size`` × ``width``.

    Each is at least a quarter as wide and as high as its photograph. The same ``seed`` gives the same crops (NumPy's
    RandomState, whose stream is frozen).

    Raises:
        LoadError: see :func:`photographs` and :func:`open_photograph`.
    """
    paths = list(photographs(folder).items())
    opened = lru_cache(WHOLE)(open_photograph)
    rng = np.random.RandomState(seed)
    found: dict[str, Pixels] = {}
    for number in range(count):
        name, path = paths[number % len(paths)]
        photograph = opened(path)
        whole = np.array(photograph.size)
        extent = np.maximum((whole * rng.uniform(0.25, 1, 2)).astype(int), 1)
        left, top = (rng.uniform(0, 1, 2) * (whole - extent)).astype(int)
        box = (left, top, left + extent[0], top + extent[1])
        found[f"{name} {number} {'-'.join(map(str, box))}"] = squash(photograph.crop(box), size, width)
    return found


def samples(pixels: Mapping[str, Pixels], preprocessing: Preprocessing = PREPROCESSINGS["pe"]) -> tuple[Sample, ...]:
    """Normalise named images into inputs for a model."""
    return tuple(Sample.of(name, normalize(image, preprocessing)) for name, image in pixels.items())
