"""Run a file under the contract that it was written for: convert the model's inputs to the file's, and back.

The contract is read from what the file declares, as far as that says it. Where several ways to feed it are left, they
are tried on one input, and the one that fits is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import prod
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.compare import compare, unit
from pe_validate.data.contract import NORMALISED, QUANTISED, SCALED, Contract
from pe_validate.data.outputs import Array, Outputs
from pe_validate.data.tensors import TensorSpec
from pe_validate.inputs.feed import ImageFeed, QuantisedFeed
from pe_validate.inputs.images import pixels_of
from pe_validate.inputs.preprocessing import PREPROCESSINGS
from pe_validate.models.base import Model
from pe_validate.system.errors import RunError
from pe_validate.targets.runtime import Given, Runtime

FITS_DB: Final = 20.0
"""SNR from which an answer counts as the model's, when a contract is looked for: another input gives less than 10."""

ALIKE_DB: Final = 60.0
"""SNR of the answers for the same image at two places of a batch."""


class AdaptedRuntime(Runtime):
    """A file with the interface of its model; ``contract`` says what is converted."""

    def __init__(self, inside: Runtime, model: Model, contract: Contract) -> None:
        self._inside, self._model, self._contract = inside, model, contract
        self.producer, self.interface = inside.producer, model.interface
        self.output_name = inside.output_name
        dtypes = (inside.outputs[place].dtype for place in inside.wanted())
        self.inputs = model.inputs
        self.outputs = tuple(replace(spec, dtype=dtype) for spec, dtype in zip(model.outputs, dtypes, strict=True))
        self.declared = inside.inputs, inside.outputs

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        (image,), (declared,) = given, self._inside.inputs
        values = _values(image, self._model, self._contract.values)
        arranged = _arranged(values, declared.shape, self._contract, _axes(self._model.input.shape))
        if not declared.accepts(arranged.shape):
            raise RunError(f"{self.producer} takes {declared}, and not what the contract '{self._contract}' says.")
        whole = arranged if declared.kind == "f" else np.rint(arranged)
        (features,) = self._inside.compute([whole.astype(declared.dtype)], self._inside.wanted())
        self.notes = self._inside.notes
        return [self._single(np.asarray(features, np.float32))]

    def _single(self, features: Array) -> Array:
        """Return one image's answer, in the shape of the model's.

        Raises:
            RunError: it has another number of values, or answers differ with the place in the batch.
        """
        shape = self._model.output.shape
        if features.size != prod(shape) * self._contract.batch:
            raise RunError(f"{self.producer} answers with {list(features.shape)}, the model with {list(shape)}.")
        first: Array
        first, *others = features.reshape(self._contract.batch, *shape)
        if any(compare(first, other).snr_db < ALIKE_DB for other in others):
            raise RunError(f"{self.producer} answers the same image differently at another place of the batch.")
        return first


def contract_of(runtime: Runtime, model: Model, image: NDArray[np.float32], answer: Array) -> Contract | None:
    """Return the contract of a loaded file that does not take the model's input; None if no way to feed it is known.

    ``answer`` is the model's answer to ``image``.

    Raises:
        RunError: it cannot be executed.
    """
    found: dict[Contract, float] = {}
    single = len(runtime.inputs) == len(model.inputs) == len(runtime.wanted()) == len(model.outputs) == 1
    if single and not model.lengths:
        for contract in _ways(runtime.inputs[0], model):
            features = AdaptedRuntime(runtime, model, contract).run(image)
            found[contract] = compare(answer * _factor(answer, features), features).snr_db
            if found[contract] >= FITS_DB:
                break
    return max(found, key=lambda contract: found[contract], default=None)


def as_given(outputs: Outputs, answers: Outputs, contract: Contract) -> Outputs:
    """Return the model's ``outputs`` as a file with ``contract`` gives them; ``answers`` are the file's."""
    if contract.output == NORMALISED:
        found = {name: unit(value.astype(np.float64)).astype(np.float32) for name, value in outputs.features.items()}
    elif contract.output == SCALED:
        both = (np.concatenate([o.features[name].ravel() for name in outputs.features]) for o in (outputs, answers))
        factor = np.float32(_factor(*both))
        found = {name: value * factor for name, value in outputs.features.items()}
    else:
        return outputs
    return replace(outputs, features=found)


def _ways(declared: TensorSpec, model: Model) -> Iterator[Contract]:
    """Yield the ways to give a file the model's input, the likeliest first."""
    layout = _layout(declared.shape, model.input.shape)
    if layout is None:
        return
    axes, batch = layout
    plain = Contract(layout="" if axes == _axes(model.input.shape) else axes, batch=batch)
    if isinstance(model.feed, QuantisedFeed):
        yield replace(plain, values=QUANTISED)
    if declared.kind == "f":
        yield plain
    if isinstance(model.feed, ImageFeed):
        own = next((name for name, each in PREPROCESSINGS.items() if each == model.feed.preprocessing), "")
        others = [name for name in PREPROCESSINGS if name != own] if declared.kind == "f" else ["bytes"]
        yield from (replace(plain, values=name) for name in others)


def _axes(shape: Sequence[int]) -> str:
    """Return the names of the axes of an image: ``NCHW`` or ``NHWC``; plain letters for what is no image."""
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        return "NCHW" if shape[1] == 3 else "NHWC"
    return "N" + "ABCDEFG"[: len(shape) - 1]


def _layout(declared: tuple[int, ...], wanted: tuple[int, ...]) -> tuple[str, int] | None:
    """Return the axes of a declared shape and the images of a call; None if it cannot hold the model's input."""
    axes, core = _axes(wanted)[1:], wanted[1:]
    orders = {axes: core}
    if "C" in axes:
        turned = axes[1:] + axes[0] if axes[0] == "C" else axes[-1] + axes[:-1]
        orders[turned] = tuple(core[axes.index(axis)] for axis in turned)
    for order, lengths in orders.items():
        leading = declared[: len(declared) - len(lengths)]
        fits = all(n in (-1, m) for n, m in zip(declared[len(leading) :], lengths, strict=False))
        if len(declared) >= len(lengths) and fits and sum(n not in (1, -1) for n in leading) <= (wanted[0] == 1):
            batch = max([n for n in leading if n > 0], default=1)
            return f"{'1' * (len(leading) - 1)}{'N' * bool(leading)}{order}", batch if wanted[0] == 1 else 1
    return None


def _values(image: NDArray[np.generic], model: Model, values: str) -> NDArray[np.floating]:
    """Return an input of the model by another preprocessing of the same pixels."""
    if values == QUANTISED and isinstance(model.feed, QuantisedFeed):
        return model.feed.integers(image)
    if not values or not isinstance(model.feed, ImageFeed):
        return np.asarray(image, np.float32)
    axis = -1 if model.feed.channels_last else 1
    scaled = np.moveaxis(pixels_of(image, model.feed.preprocessing, axis) / 255, axis, -1)
    other, channels = PREPROCESSINGS[values], scaled.shape[-1]
    return np.asarray(np.moveaxis((scaled - other.mean[:channels]) / other.std[:channels], -1, axis), np.float32)


def _arranged(image: NDArray[np.generic], shape: Sequence[int], contract: Contract, axes: str) -> NDArray[np.generic]:
    """Return an image with ``axes`` in the layout of a contract, as often as its batch wants it.

    ``shape`` is the declared one, from which axes of length 1 are known that the model's input has not.
    """
    if contract.layout:
        order = contract.layout.lstrip("1")
        image = image.transpose([axes.index(axis) for axis in (order if order.startswith("N") else f"N{order}")])
    image = np.concatenate([image] * contract.batch)
    lengths = image.shape[-len(shape) :]
    return np.ascontiguousarray(image.reshape((1,) * (len(shape) - len(lengths)) + lengths))


def _factor(answer: NDArray[np.float32], features: NDArray[np.float32]) -> float:
    """Return the factor that takes the model's answer nearest to the file's, by least squares."""
    a, f = answer.ravel().astype(np.float64), features.ravel().astype(np.float64)
    return float(a @ f / (a @ a or 1.0))
