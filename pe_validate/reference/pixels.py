"""A reference as an app sees it that hands over pixel buffers: it is fed 8-bit pixels, and normalises them itself.

A package with an image input contains its preprocessing. It is held to the model together with the model's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pe_validate.inputs.feed import Feed, ImageFeed
from pe_validate.inputs.images import Sample, pixels_of
from pe_validate.inputs.preprocessing import Preprocessing
from pe_validate.models.base import Model
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import RunError

if TYPE_CHECKING:
    from pe_validate.models.weights import Weights
    from pe_validate.tasks.accuracy import Labelled


def of_pixels(reference: Reference) -> Reference:
    """Return the reference that takes pixels: whole numbers from 0 to 255, float32 ``[1, channels, height, width]``.

    Raises:
        RunError: it is not known how the model's inputs are made from pixels.
    """
    feed = reference.model.feed
    if not isinstance(feed, ImageFeed) or feed.channels_last:
        raise RunError(
            f"The file takes a pixel buffer, and how {reference.model.name} makes its input from pixels is not known: "
            "give 'preprocessing' in its table, or convert it with ct.TensorType."
        )
    model = PixelModel(reference.model, feed)
    return replace(
        reference,
        model=model,
        module=FromPixels(reference.module, feed.preprocessing),
        inputs=model.feed.samples(reference.photographs),
    )


class FromPixels(nn.Module):
    """``module`` after its preprocessing, ``pixel × scale + shift`` by channel.

    Scale and shift are no buffers, which a recipe may round: packages compute with them in float32.
    """

    def __init__(self, module: nn.Module, preprocessing: Preprocessing) -> None:
        super().__init__()
        self.module, self.preprocessing = module, preprocessing
        mean, std = (torch.tensor(each, dtype=torch.float64) for each in (preprocessing.mean, preprocessing.std))
        self.scale, self.shift = _by_channel(1 / (255 * std)), _by_channel(-mean / std)

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the features of ``pixels``."""
        features: Tensor = self.module(self.normalised(pixels))
        return features

    def normalised(self, pixels: Tensor) -> Tensor:
        """Return the input of the module."""
        channels = pixels.shape[1]
        return pixels * self.scale[:channels] + self.shift[:channels]


def _by_channel(values: Tensor) -> Tensor:
    """Return ``[3, 1, 1]`` in float32; a single number if all channels have the same, as a package stores it."""
    return values[:1].float().reshape(1, 1, 1) if len(set(values.tolist())) == 1 else values.float().reshape(3, 1, 1)


class PixelModel(Model):
    """A model whose inputs are pixels; its modules are :class:`FromPixels`, its places those of the model inside."""

    modules: tuple[str, ...]

    def __init__(self, model: Model, feed: ImageFeed) -> None:
        self.inner, self._preprocessing = model, feed.preprocessing
        self.name, self.inputs, self.outputs = model.name, model.inputs, model.outputs
        self.feed, self.answer = _PixelFeed(feed), model.answer
        self.modules = (*model.modules, __name__)

    def load_weights(self, spec: str) -> Weights:
        """Read the weights of the model inside."""
        return self.inner.load_weights(spec)

    def load(self, weights: Weights) -> nn.Module:
        """Return the model inside, after its preprocessing."""
        return self._wrapped(self.inner.load(weights))

    def _wrapped(self, module: nn.Module) -> nn.Module:
        return FromPixels(module, self._preprocessing)

    def deployable(self, module: Any, form: str) -> nn.Module:
        """Return the rewrite of the model inside, after its preprocessing."""
        return self._wrapped(self.inner.deployable(module.module, form))

    def approximates(self, form: str) -> bool:
        """Return whether the rewrite of the model inside approximates."""
        return self.inner.approximates(form)

    def exact(self, deployable: Any) -> nn.Module:
        """Return the exact rewrite of the model inside, after its preprocessing."""
        return self._wrapped(self.inner.exact(deployable.module))

    def places(self, module: Any, image: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """Return the values of the model inside."""
        with torch.no_grad():
            inputs = module.normalised(torch.from_numpy(np.asarray(image, np.float32)))
        return self.inner.places(module.module, inputs.numpy())

    def at_place(self, place: str, value: NDArray[np.generic]) -> NDArray[np.float64]:
        """Convert a value as for the model inside."""
        return self.inner.at_place(place, value)

    def place_of_layer(self, name: str) -> str | None:
        """Return the place of a layer of the model inside."""
        return self.inner.place_of_layer(name.removeprefix("module."))

    def recognises(self, weights: str) -> bool:
        """Return whether the model inside recognises its images."""
        return self.inner.recognises(weights)

    def labelled(self) -> Labelled | None:
        """Return the labelled images as pixels."""
        found = self.inner.labelled()
        return found and replace(found, inputs=_pixels(found.inputs, self._preprocessing))


@dataclass(frozen=True, slots=True)
class _PixelFeed(Feed):
    """The images of a feed as pixels, recovered from the inputs that it makes."""

    feed: ImageFeed

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return its samples as pixels."""
        return _pixels(self.feed.samples(photographs), self.feed.preprocessing)

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return its crops as pixels."""
        return _pixels(self.feed.crops(count, seed, photographs), self.feed.preprocessing)

    def extremes(self) -> tuple[Sample, ...]:
        """Return black and white as pixels."""
        return _pixels(self.feed.extremes(), self.feed.preprocessing)


def _pixels(inputs: tuple[Sample, ...], preprocessing: Preprocessing) -> tuple[Sample, ...]:
    def pixels(sample: Sample) -> tuple[NDArray[np.float32]]:
        return (pixels_of(sample.image, preprocessing).astype(np.float32),)

    return tuple(Sample(sample.name, partial(pixels, sample)) for sample in inputs)
