"""The inputs and outputs that a model's description declares, and the conversion of callers' values for them.

As with ``MLModel.predict``, numbers are converted to the declared type, images are ``PIL.Image`` objects, and optional
inputs may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pe_validate.data.tensors import TensorSpec
from pe_validate.mil.description import COLOURS
from pe_validate.mil.ops import LARGEST
from pe_validate.mil.values import RANK
from pe_validate.system.errors import RunError

# CoreML.Specification.ArrayFeatureType.ArrayDataType
_ARRAY_TYPES: Final = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}

# The mode of a PIL image of each colour space
_MODES: Final = {"GRAYSCALE": "L", "RGB": "RGB", "BGR": "RGB", "GRAYSCALE_FLOAT16": "F"}

# Types of a classifier's outputs
_PLAIN: Final = {"stringType": "string", "int64Type": "int64", "dictionaryType": "dictionary"}
_PYTHON: Final[dict[str, type]] = {"string": str, "int64": int, "dictionary": dict}

_UNBOUNDED: Final = 2**31

Lengths: TypeAlias = tuple[range, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """One declared input or output.

    ``shapes``: the alternatives for its shape, each a range of lengths for every axis; empty if only the program
    determines it. ``default``: the value of an optional input.
    """

    spec: TensorSpec
    shapes: tuple[Lengths, ...]
    default: float | None = None

    @property
    def colours(self) -> str:
        """The colour space of an image; empty for anything else."""
        return self.spec.pixels

    @property
    def name(self) -> str:
        """The key in the dictionaries that ``predict`` takes and returns."""
        return self.spec.name

    def widened(self) -> Feature:
        """Return the feature with float32 in place of float16."""
        if self.spec.dtype != "float16" or self.colours:
            return self
        return replace(self, spec=replace(self.spec, dtype="float32"))

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether a value may have this shape."""
        return any(
            len(shape) == len(lengths) and all(n in allowed for n, allowed in zip(shape, lengths, strict=True))
            for lengths in self.shapes
        )

    def fits(self, shape: tuple[int | None, ...]) -> bool:
        """Return whether every permitted shape matches ``shape``, in which None is an axis of any length."""
        return all(
            len(shape) == len(lengths)
            and all(n is None or allowed == range(n, n + 1) for n, allowed in zip(shape, lengths, strict=True))
            for lengths in self.shapes
        )

    def __str__(self) -> str:
        kind = f"{self.colours} image" if self.colours else self.spec.dtype
        alternatives = [f"[{', '.join(map(_span, lengths))}]" for lengths in self.shapes] or ["of any shape"]
        return f"{self.name}: {kind}{' or '.join(alternatives)}"


def read_feature(message: Any, label: str) -> Feature:
    """Return the feature that a ``FeatureDescription`` message declares.

    Raises:
        RunError: it is of a type that is not supported.
    """
    kind = message.type.WhichOneof("Type")
    if kind == "imageType":
        return _image(message.name, message.type.imageType, label)
    if kind in _PLAIN:
        return Feature(TensorSpec(message.name, (), _PLAIN[kind]), ())
    if kind != "multiArrayType":
        raise RunError(
            f"{label} declares '{message.name}' as {kind or 'nothing'}; only arrays and images are supported."
        )
    array = message.type.multiArrayType
    if array.dataType not in _ARRAY_TYPES:
        raise RunError(f"{label} declares '{message.name}' with array type {array.dataType}, which is not supported.")
    shape = tuple(int(n) for n in array.shape)
    if any(n < 0 for n in shape) or len(shape) > RANK or prod(n or 1 for n in shape) > LARGEST:
        raise RunError(f"{label} declares '{message.name}' in a shape that no array has; export it again.")
    flexibility = array.WhichOneof("ShapeFlexibility")
    if flexibility == "enumeratedShapes":
        shapes = tuple(_fixed(found.shape) for found in array.enumeratedShapes.shapes)
    elif flexibility == "shapeRange":
        shapes = (tuple(_range(found) for found in array.shapeRange.sizeRanges),)
    else:
        shapes = (_fixed(shape),) if shape else ()
    default = array.WhichOneof("defaultOptionalValue") if message.type.isOptional else None
    return Feature(
        TensorSpec(message.name, shape, _ARRAY_TYPES[array.dataType]),
        shapes,
        default=0.0 if message.type.isOptional and default is None else default and float(getattr(array, default)),
    )


def _image(name: str, image: Any, label: str) -> Feature:
    if image.colorSpace not in COLOURS:
        raise RunError(f"{label} declares '{name}' with colour space {image.colorSpace}, which is not supported.")
    colours = COLOURS[image.colorSpace]
    channels = 3 if _MODES[colours] == "RGB" else 1
    flexibility = image.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        shapes = tuple(_fixed((1, channels, size.height, size.width)) for size in image.enumeratedSizes.sizes)
    elif flexibility == "imageSizeRange":
        sizes = image.imageSizeRange
        shapes = ((*_fixed((1, channels)), _range(sizes.heightRange), _range(sizes.widthRange)),)
    else:
        shapes = (_fixed((1, channels, image.height, image.width)),)
    dtype = "float16" if colours == "GRAYSCALE_FLOAT16" else "float32"
    return Feature(TensorSpec(name, (1, channels, int(image.height), int(image.width)), dtype, pixels=colours), shapes)


def _fixed(shape: Any) -> Lengths:
    return tuple(range(int(n), int(n) + 1) for n in shape)


def _range(message: Any) -> range:
    upper = int(message.upperBound)
    return range(int(message.lowerBound), _UNBOUNDED if upper < 0 else min(upper, _UNBOUNDED) + 1)


def _span(lengths: range) -> str:
    if lengths.stop - lengths.start == 1:
        return str(lengths.start)
    return f"{lengths.start}..{'' if lengths.stop == _UNBOUNDED else lengths.stop - 1}"


def accept(features: tuple[Feature, ...], values: Mapping[str, Any], label: str) -> dict[str, Tensor]:
    """Return the callers' values as tensors of the declared types.

    Raises:
        RunError: a value is missing, too many, or not what is declared.
    """
    names = {feature.name for feature in features}
    required = {feature.name for feature in features if feature.default is None}
    if not required <= set(values) <= names:
        given = ", ".join(sorted(map(str, values))) or "none"
        raise RunError(f"{label} takes the inputs {', '.join(sorted(names))}, but was given {given}.")
    return {feature.name: _tensor(feature, values.get(feature.name), label) for feature in features}


def _tensor(feature: Feature, value: Any, label: str) -> Tensor:
    if value is None and feature.default is not None:
        value = np.broadcast_to(np.float64(feature.default), feature.spec.shape)
    if feature.colours:
        array, given = _pixels(feature, value, label)
    else:
        array = np.asarray(value)
        given = f"{array.dtype}{list(array.shape)}"
    if array.dtype.kind not in "biuf" or not feature.accepts(array.shape):
        raise RunError(f"{label} takes the input {feature}, but was given {given}.")
    dtype = np.dtype(feature.spec.dtype)
    with np.errstate(invalid="ignore"):  # reported below
        converted = np.array(array, dtype, order="C")  # a copy, because torch warns about read-only arrays
    if dtype.kind == "i" and not np.array_equal(converted, array):
        raise RunError(f"{label} takes the input {feature}, but was given values that are no {dtype}.")
    return torch.from_numpy(converted)


def _pixels(feature: Feature, value: Any, label: str) -> tuple[NDArray[Any], str]:
    """Return the pixels of a PIL image, ``[1, channels, height, width]``, and its size in words."""
    mode = _MODES[feature.colours]
    if not isinstance(value, Image.Image) or value.mode != mode:
        given = f"an image of mode {value.mode}" if isinstance(value, Image.Image) else type(value).__name__
        raise RunError(f"{label} takes the input {feature} as a PIL image of mode {mode}, but was given {given}.")
    pixels: NDArray[Any] = np.asarray(value)
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return pixels[None, :: -1 if feature.colours == "BGR" else 1], f"{value.width} × {value.height} pixels"


def give(feature: Feature, value: object, label: str) -> Any:
    """Return a computed value in the form in which ``predict`` returns it.

    Raises:
        RunError: it does not match what the model declares.
    """
    if feature.spec.dtype in _PYTHON:
        plain = value.item() if isinstance(value, Tensor) and value.numel() == 1 else value
        if not isinstance(plain, _PYTHON[feature.spec.dtype]):
            raise RunError(f"{label} declares the output {feature}, but computes something else.")
        return plain
    if not isinstance(value, Tensor) or (feature.shapes and not feature.accepts(tuple(value.shape))):
        found = list(value.shape) if isinstance(value, Tensor) else "a string"
        raise RunError(f"{label} declares the output {feature}, but computes {found}.")
    if not feature.colours:
        return value.to(getattr(torch, feature.spec.dtype), copy=True).contiguous().numpy()
    if feature.colours == "GRAYSCALE_FLOAT16":
        return Image.fromarray(value[0, 0].float().numpy())
    pixels = value[0].clamp(0, 255).to(torch.uint8).numpy()
    if feature.colours == "GRAYSCALE":
        return Image.fromarray(pixels[0])
    return Image.fromarray(
        np.ascontiguousarray((pixels[::-1] if feature.colours == "BGR" else pixels).transpose(1, 2, 0))
    )
