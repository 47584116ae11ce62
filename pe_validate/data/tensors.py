"""Tensor specifications, as artifacts declare them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "features"
"""The names of the input and the output of Perception Encoders, and of an only output that has no name of its own."""

CHANNELS_LAST: Final = (0, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and NumPy dtype name of one declared input or output; an axis of any length is -1.

    ``order`` lists the axes from the slowest to the fastest in memory; it is empty if that is the order of the axes.
    ``pixels`` names the colours of an image, such as ``BGR``: an app hands over, or receives, a pixel buffer in place
    of an array ``[1, channels, height, width]``. Its ``dtype`` is float32 if pixels have 8 bits, float16 if 16.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    order: tuple[int, ...] = ()
    pixels: str = ""

    def __str__(self) -> str:
        if self.pixels:
            return f"{self.name}: {self.pixels} image, {self.shape[-1]} by {self.shape[-2]}"
        shown = f"{self.name}: {self.dtype}[{', '.join('?' if n < 0 else str(n) for n in self.shape)}]"
        return f"{shown} {self.layout}" if self.order else shown

    @property
    def layout(self) -> str:
        """How the tensor lies in memory, in words; empty if in the order of its axes."""
        if self.order == CHANNELS_LAST:
            return "channels-last (NHWC) in memory"
        return f"with axes {', '.join(map(str, self.order))} in memory" if self.order else ""

    @property
    def takes_bytes(self) -> bool:
        """True for an image of 8-bit pixels."""
        return bool(self.pixels) and self.dtype == "float32"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether ``shape`` matches the declared shape."""
        return len(shape) == len(self.shape) and all(n in (-1, m) for n, m in zip(self.shape, shape, strict=True))

    def as_floats(self, dtype: str) -> TensorSpec:
        """Return the specification with ``dtype`` if it is of a floating-point type, else the same."""
        return replace(self, dtype=dtype) if self.kind == "f" else self

    @property
    def kind(self) -> str:
        """The kind of number, as NumPy names it: ``f`` for every floating-point type, ``i`` for integers, ``b``, …"""
        return {"float": "f", "int": "i", "uint": "i", "bool": "b"}.get(self.dtype.rstrip("0123456789"), self.dtype)


@dataclass(frozen=True, slots=True)
class Quantised:
    """An input of integers, each of which stands for ``(integer - zero) * scale``."""

    scale: float
    zero: int
    dtype: str

    def __str__(self) -> str:
        return f"{self.dtype} with scale {self.scale:g} and zero point {self.zero}"


@dataclass(frozen=True, slots=True)
class Interface:
    """What a model takes and gives, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
