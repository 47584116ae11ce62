"""What a golden stores of a model's inputs, such that a phone can make them of it: photographs, or ids of tokens."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.inputs.feed import ImageFeed
from pe_validate.inputs.images import Sample, samples
from pe_validate.models.base import Model
from pe_validate.system.errors import GoldenError

STORED: Final = ("china", "hot-pixel")
"""The images of ``pe-validate run`` that are stored: a photograph, and the image that is least like one."""

PIXEL_TOLERANCE: Final = 1
"""Permitted difference of a pixel, in levels of 255: another release of Pillow may round the other way."""

Array = NDArray[np.generic]


class StoredInputs(ABC):
    """Base class of kinds of stored inputs: the tensor ``name`` of ``dtype``, ``[inputs, *shape]``.

    ``tools`` are the distributions that decide what is stored.
    """

    name: ClassVar[str]
    dtype: ClassVar[type[np.generic]]
    tools: ClassVar[tuple[str, ...]]

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of what is stored of one input."""

    @property
    def image_size(self) -> int | None:
        """Height and width of images; None if inputs are no images."""
        return None

    @abstractmethod
    def today(self) -> Mapping[str, Array]:
        """Return what inputs are made of today, by name: those that are stored, and perhaps others.

        Raises:
            LoadError: it cannot be read.
        """

    @abstractmethod
    def chosen(self) -> tuple[str, ...]:
        """Return the names of the inputs that an update stores."""

    @abstractmethod
    def texts(self, names: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the texts that inputs were made of, or None if they are not of texts."""

    @abstractmethod
    def sample(self, name: str, stored: Array) -> Sample:
        """Return the model's input."""

    @abstractmethod
    def check(self, model: str, name: str, stored: Array, today: Array) -> None:
        """Check that an input is made of the same today.

        Raises:
            GoldenError: it is not.
        """


@dataclass(frozen=True, slots=True)
class StoredImages(StoredInputs):
    """Square images in RGB, uint8 ``[inputs, size, size, 3]``."""

    feed: ImageFeed
    name: ClassVar[str] = "images"
    dtype: ClassVar[type[np.generic]] = np.uint8
    tools: ClassVar[tuple[str, ...]] = ("pillow",)

    @property
    def shape(self) -> tuple[int, ...]:
        """Height, width and colours."""
        return self.feed.size, self.feed.size, 3

    @property
    def image_size(self) -> int:
        """Height and width."""
        return self.feed.size

    def today(self) -> Mapping[str, Array]:
        """Return the pixels of the images of ``pe-validate run``."""
        return self.feed.pixels()

    def chosen(self) -> tuple[str, ...]:
        """Return a photograph, and the image that is least like one."""
        return STORED

    def texts(self, names: tuple[str, ...]) -> None:
        """Return None."""

    def sample(self, name: str, stored: Array) -> Sample:
        """Return the image, with values in [-1, 1]."""
        (made,) = samples({name: stored.astype(np.uint8, copy=False)})
        return made

    def check(self, model: str, name: str, stored: Array, today: Array) -> None:
        """See :meth:`StoredInputs.check`."""
        off = int(np.abs(stored.astype(int) - today.astype(int)).max())
        if off > PIXEL_TOLERANCE:
            raise GoldenError(
                f"Preprocessing makes another image of '{name}' than the golden of {model} was made of, a pixel "
                f"differs by {off} of 255: every artifact would be fed what the model was not trained on."
            )


@dataclass(frozen=True, slots=True)
class StoredTokens(StoredInputs):
    """Ids, or other integers, one input at a time: int32 ``[inputs, context]``."""

    model: Model
    name: ClassVar[str] = "tokens"
    dtype: ClassVar[type[np.generic]] = np.int32
    tools: ClassVar[tuple[str, ...]] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """The context."""
        return self.model.input.shape[1:]

    def today(self) -> Mapping[str, Array]:
        """Return the ids of ``pe-validate run``."""
        return {sample.name: sample.values[0][0] for sample in self.model.feed.samples()}

    def chosen(self) -> tuple[str, ...]:
        """Return the first input, and of the others the one with the least padding, which is 0."""
        ids = self.today()
        first, *others = ids
        return first, *sorted(others, key=lambda name: -np.count_nonzero(ids[name]))[:1]

    def texts(self, names: tuple[str, ...]) -> tuple[str, ...] | None:
        """Return the texts that ids stand for, or None if the integers are no ids."""
        known = self.model.feed.texts()
        return tuple(known[name] for name in names) if known else None

    def sample(self, name: str, stored: Array) -> Sample:
        """Return the ids, ``[1, context]``."""
        return Sample.of(name, stored[None])

    def check(self, model: str, name: str, stored: Array, today: Array) -> None:
        """See :meth:`StoredInputs.check`."""
        (places,) = np.nonzero((stored != today).reshape(-1))
        if places.size:
            before, now = (int(ids.reshape(-1)[places[0]]) for ids in (stored, today))
            raise GoldenError(
                f"'{name}' has other token ids than the golden of {model} was made of, the first at {places[0]}, where "
                f"{before} became {now}: every artifact would be fed what the model was not trained on."
            )


def stored_inputs(model: Model) -> StoredInputs:
    """Return what is stored of a model's inputs.

    Raises:
        GoldenError: a phone could not make them of anything that goldens hold.
    """
    feed = model.feed
    if isinstance(feed, ImageFeed) and feed == ImageFeed(feed.size):
        return StoredImages(feed)
    if len(model.inputs) == 1 and not model.lengths:
        (given,) = model.inputs
        if given.dtype == "int32" and len(given.shape) == 2 and given.shape[0] == 1:
            return StoredTokens(model)
    raise GoldenError(
        f"{model.name} takes {', '.join(map(str, model.inputs))}: goldens hold square photographs, one by one, with "
        "values in [-1, 1], or one row of int32."
    )
