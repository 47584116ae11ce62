"""The inputs on which a model is validated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pe_validate.data.tensors import Quantised
from pe_validate.inputs.preprocessing import PREPROCESSINGS, Preprocessing
from pe_validate.system.errors import LoadError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pe_validate.inputs.images import Pixels, Sample

NOISES = 6
"""The number of noise inputs that a model is validated on if it takes no images."""

FEW = 2
"""The number of inputs of each further length."""


class Feed(ABC):
    """Base class of feeds; ``photographs`` names a folder of them, by default the project's own.

    ``modules`` and ``tools`` are the modules and the distributions that decide what :meth:`of` makes of an item.
    """

    modules: ClassVar[tuple[str, ...]] = (__name__, "pe_validate.inputs.images")
    tools: ClassVar[tuple[str, ...]] = ("numpy", "pillow")

    @abstractmethod
    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the inputs of ``pe-validate run``.

        Raises:
            LoadError: they cannot be read.
        """

    @abstractmethod
    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return ``count`` further inputs; the same ``seed`` gives the same ones."""

    @abstractmethod
    def extremes(self) -> tuple[Sample, ...]:
        """Return the inputs with the smallest and the largest values."""

    def texts(self) -> Mapping[str, str]:
        """Return the texts that :meth:`samples` are made of, by the samples' names; none if they are not of texts."""
        return {}

    def of(self, content: bytes, name: str) -> tuple[NDArray[np.generic], ...]:
        """Return the values that are made of one item of a dataset: an encoded image, or a text in UTF-8.

        Raises:
            UsageError: the model takes neither.
            LoadError: it cannot be read; the sentence has its ``name``.
        """
        raise UsageError("The model takes neither single images nor texts.")


@dataclass(frozen=True, slots=True)
class ImageFeed(Feed):
    """Photographs and structured images, for a model that takes float32 ``[batch, 3, size, width]``.

    Values are in [-1, 1] by default, and images are square if there is no ``width``. A batch holds an image and those
    that follow it. ``channels_last``: the model takes ``[batch, size, width, 3]``. ``grey``: it takes
    ``[batch, 1, size, width]``, which the first mean and deviation of the preprocessing normalise.
    """

    size: int
    width: int | None = None
    batch: int = 1
    channels_last: bool = False
    preprocessing: Preprocessing = PREPROCESSINGS["pe"]
    grey: bool = False

    def pixels(self, photographs: Path | None = None) -> Mapping[str, Pixels]:
        """Return the images of ``pe-validate run`` by name, as uint8 ``[size, width, 3]``.

        Raises:
            LoadError: see :func:`~pe_validate.inputs.images.photographs`.
        """
        from pe_validate.inputs.images import default_pixels

        return default_pixels(self.size, photographs, self.width)

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the same images as inputs of the model."""
        return self._inputs(self.pixels(photographs))

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return ``count`` crops of the photographs; the same ``seed`` gives the same crops."""
        from pe_validate.inputs.images import crops

        return self._inputs(crops(self.size, count, seed, photographs, self.width))

    def extremes(self) -> tuple[Sample, ...]:
        """Return the darkest and the brightest possible image."""
        import numpy as np

        shape = (self.size, self.width or self.size, 3)
        constant = {name: np.full(shape, value, np.uint8) for name, value in (("black", 0), ("white", 255))}
        return tuple(each for name in constant for each in self._inputs({name: constant[name]}))

    def of(self, content: bytes, name: str) -> tuple[NDArray[np.float32]]:
        """Return the input that is made of one encoded image; see :meth:`Feed.of`."""
        from pe_validate.inputs.images import decoded, squash

        if self.batch > 1:
            raise UsageError(f"The model takes {self.batch} images at once, not single ones.")
        return self._values({"": squash(decoded(BytesIO(content), name), self.size, self.width)}, [""])

    def _inputs(self, pixels: Mapping[str, Pixels]) -> tuple[Sample, ...]:
        from pe_validate.inputs.images import KEPT, Sample

        names = list(pixels)
        rows = {name: [names[(i + j) % len(names)] for j in range(self.batch)] for i, name in enumerate(names)}
        if len(names) > KEPT:
            return tuple(Sample(name, partial(self._values, pixels, row)) for name, row in rows.items())
        return tuple(Sample(name, self._values(pixels, row)) for name, row in rows.items())

    def _values(self, pixels: Mapping[str, Pixels], names: Sequence[str]) -> tuple[NDArray[np.float32]]:
        """Return the input that holds the images of these names."""
        import numpy as np

        from pe_validate.inputs.images import greyed, normalize

        given = (greyed(pixels[name]) if self.grey else pixels[name] for name in names)
        images = [normalize(image, self.preprocessing)[:, : 1 if self.grey else 3] for image in given]
        batch = np.concatenate(images) if self.batch > 1 else images[0]
        return (np.ascontiguousarray(batch.transpose(0, 2, 3, 1)) if self.channels_last else batch,)


@dataclass(frozen=True, slots=True)
class ArrayFeed(Feed):
    """Given arrays of ``shape``, or noise of a mean and a standard deviation."""

    shape: tuple[int, ...]
    given: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    mean: float = 0.0
    std: float = 1.0

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the given arrays, or noise if there are none."""
        from pe_validate.inputs.images import Sample

        return tuple(Sample.of(*each) for each in self.given.items()) or self.crops(NOISES, 0)

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return noise (NumPy's RandomState, whose stream is frozen)."""
        import numpy as np

        from pe_validate.inputs.images import Sample

        rng = np.random.RandomState(seed)
        arrays = (rng.normal(self.mean, self.std, self.shape).astype(np.float32) for _ in range(count))
        return tuple(Sample.of(f"noise {seed}.{number}", array) for number, array in enumerate(arrays))

    def extremes(self) -> tuple[Sample, ...]:
        """Return constants three standard deviations below and above the mean."""
        import numpy as np

        from pe_validate.inputs.images import Sample

        ends = {"low": self.mean - 3 * self.std, "high": self.mean + 3 * self.std}
        return tuple(Sample.of(name, np.full(self.shape, value, np.float32)) for name, value in ends.items())


@dataclass(frozen=True, slots=True)
class IntegerFeed(Feed):
    """Given integers, or random ones between two ends, both included, such as tokens or a mask."""

    shape: tuple[int, ...]
    dtype: str
    ends: tuple[int, int] = (0, 1)
    given: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the given integers, or random ones if there are none."""
        from pe_validate.inputs.images import Sample

        return tuple(Sample.of(*each) for each in self.given.items()) or self.crops(NOISES, 0)

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return random integers (NumPy's RandomState, whose stream is frozen)."""
        import numpy as np

        from pe_validate.inputs.images import Sample

        rng, (low, high) = np.random.RandomState(seed), self.ends
        arrays = (rng.randint(low, high + 1, self.shape).astype(self.dtype) for _ in range(count))
        return tuple(Sample.of(f"integers {seed}.{number}", array) for number, array in enumerate(arrays))

    def extremes(self) -> tuple[Sample, ...]:
        """Return the ends."""
        import numpy as np

        from pe_validate.inputs.images import Sample

        named = zip(("low", "high"), self.ends, strict=True)
        return tuple(Sample.of(name, np.full(self.shape, value, self.dtype)) for name, value in named)


@dataclass(frozen=True, slots=True)
class JointFeed(Feed):
    """The inputs of a model that has several, each fed by itself; the shortest feed says how many samples there are."""

    parts: tuple[Feed, ...]

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the samples of all parts, side by side."""
        return _joined([part.samples(photographs) for part in self.parts])

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return ``count`` samples of all parts, side by side; each part has a seed of its own."""
        parts = enumerate(self.parts)
        return _joined([part.crops(count, seed + 1000 * number, photographs) for number, part in parts])

    def extremes(self) -> tuple[Sample, ...]:
        """Return the smallest values of all inputs, then the largest."""
        return _joined([part.extremes() for part in self.parts])


@dataclass(frozen=True, slots=True)
class LengthsFeed(Feed):
    """The inputs of a model with axes of any length: those of the usual one, and a few of others, by their name."""

    usual: Feed
    further: Mapping[str, Feed]

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the samples of the usual length, and the first ones of others."""
        from pe_validate.inputs.images import Sample

        others = (
            Sample(f"{sample.name} at {length}", sample.values)
            for length, feed in self.further.items()
            for sample in feed.samples(photographs)[:FEW]
        )
        return (*self.usual.samples(photographs), *others)

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return ``count`` samples of the usual length."""
        return self.usual.crops(count, seed, photographs)

    def extremes(self) -> tuple[Sample, ...]:
        """Return the smallest values and the largest, at the usual length."""
        return self.usual.extremes()


@dataclass(frozen=True, slots=True)
class QuantisedFeed(Feed):
    """The inputs of a feed, as far as integers hold them."""

    exact: Feed
    quantised: Quantised

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return its samples, rounded."""
        return self._rounded(self.exact.samples(photographs))

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return its crops, rounded."""
        return self._rounded(self.exact.crops(count, seed, photographs))

    def extremes(self) -> tuple[Sample, ...]:
        """Return the smallest and the largest values, rounded."""
        return self._rounded(self.exact.extremes())

    def integers(self, values: NDArray[np.generic]) -> NDArray[np.float32]:
        """Return the integers that stand for values, as float32."""
        import numpy as np

        ends = np.iinfo(self.quantised.dtype)
        found = np.rint(np.asarray(values, np.float32) / np.float32(self.quantised.scale)) + self.quantised.zero
        return np.asarray(np.clip(found, ends.min, ends.max), np.float32)

    def _rounded(self, samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
        from pe_validate.inputs.images import Sample

        return tuple(Sample(sample.name, partial(self._values, sample)) for sample in samples)

    def _values(self, sample: Sample) -> tuple[NDArray[np.float32]]:
        return ((self.integers(sample.image) - self.quantised.zero) * self.quantised.scale,)


def _joined(parts: Sequence[Sequence[Sample]]) -> tuple[Sample, ...]:
    """Return samples with the values of several, named after the first of them."""
    from pe_validate.inputs.images import Sample

    rows = zip(*parts, strict=False)
    return tuple(Sample(row[0].name, partial(_side_by_side, row)) for row in rows)


def _side_by_side(samples: Sequence[Sample]) -> tuple[NDArray[np.generic], ...]:
    return tuple(value for sample in samples for value in sample.values)


def arrays_in(path: Path, shape: tuple[int, ...], only: str | None = None) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an ``.npz`` file by name: each has ``shape``, or holds several along a further first axis.

    ``only`` names the one that is wanted.

    Raises:
        LoadError: the file cannot be read, or an array has another shape.
    """
    import numpy as np

    found: dict[str, NDArray[np.generic]] = {}
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = {name: np.asarray(archive[name]) for name in archive.files if only in (None, name)}
    except Exception as error:  # zipfile and NumPy raise whatever a damaged file makes them raise
        raise LoadError(f"Inputs '{path}' cannot be read as .npz: {type(error).__name__}: {error}.") from error
    for name, array in content.items():
        if array.shape == shape:
            found[name] = array
        elif array.shape[1:] == shape:
            found |= {f"{name} {number}": each for number, each in enumerate(array)}
        else:
            raise LoadError(f"'{name}' in '{path}' has shape {list(array.shape)}; the model takes {list(shape)}.")
    if not found:
        raise LoadError(f"Inputs '{path}' hold no array{f' {only!r}' if only else ''}.")
    return found
