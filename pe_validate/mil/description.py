"""Inputs and outputs that a model's description declares as something other than arrays, in words."""

from __future__ import annotations

from typing import Any, Final

COLOURS: Final = {10: "GRAYSCALE", 20: "RGB", 30: "BGR", 40: "GRAYSCALE_FLOAT16"}
"""Names of the values of ``CoreML.Specification.ImageFeatureType.ColorSpace``."""

EIGHT_BITS: Final = frozenset({10, 20, 30})
"""The colour spaces whose pixels are 8-bit values."""

_SCALARS: Final = {"doubleType": "double", "int64Type": "int64", "stringType": "string"}


def in_words(message: Any) -> str | None:
    """Return what a ``FeatureDescription`` declares, such as ``image: RGB image, 64 by 64``; None for arrays."""
    kind = message.type.WhichOneof("Type")
    if kind == "multiArrayType":
        return None
    if kind == "imageType":
        words = _image(message.type.imageType)
    elif kind == "dictionaryType":
        words = f"dictionary of double by {_kind(message.type.dictionaryType, 'KeyType')}"
    elif kind == "sequenceType":
        words = f"sequence of {_kind(message.type.sequenceType, 'Type')}"
    else:
        words = _SCALARS.get(kind, (kind or "nothing").removesuffix("Type"))
    return f"{message.name}: {words}"


def is_picture(message: Any) -> bool:
    """Return whether a ``FeatureDescription`` message declares an image of 8-bit pixels."""
    return message.type.WhichOneof("Type") == "imageType" and message.type.imageType.colorSpace in EIGHT_BITS


def _kind(message: Any, field: str) -> str:
    return _SCALARS.get(
        f"{(message.WhichOneof(field) or 'nothing').removesuffix('KeyType').removesuffix('Type')}Type", "?"
    )


def _image(image: Any) -> str:
    colours = COLOURS.get(image.colorSpace, f"colour space {image.colorSpace}")
    flexibility = image.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        sizes = [f"{size.width} by {size.height}" for size in image.enumeratedSizes.sizes]
    elif flexibility == "imageSizeRange":
        ends = image.imageSizeRange
        sizes = [f"{_span(ends.widthRange)} by {_span(ends.heightRange)}"]
    else:
        sizes = [f"{image.width} by {image.height}"]
    return f"{colours} image, {' or '.join(sizes)}"


def _span(message: Any) -> str:
    if message.lowerBound == message.upperBound:
        return str(message.lowerBound)
    return f"{message.lowerBound}..{'' if message.upperBound < 0 else message.upperBound}"
