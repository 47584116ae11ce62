"""Tensor specifications, as artifacts declare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "features"
"""The names of the only input and the only output of every artifact that this project writes."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and NumPy dtype name of one declared input or output; an axis of any length is -1.

    ``pixels`` names the colours of an image, such as ``BGR``: an app hands over, or receives, a pixel buffer in place
    of an array ``[1, channels, height, width]``. Its ``dtype`` is float32 if pixels have 8 bits, float16 if 16.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    pixels: str = ""

    @property
    def takes_bytes(self) -> bool:
        """True for an image of 8-bit pixels."""
        return bool(self.pixels) and self.dtype == "float32"

    def __str__(self) -> str:
        if self.pixels:
            return f"{self.name}: {self.pixels} image, {self.shape[-1]} by {self.shape[-2]}"
        return f"{self.name}: {self.dtype}[{', '.join('?' if n < 0 else str(n) for n in self.shape)}]"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether ``shape`` matches the declared shape."""
        return len(shape) == len(self.shape) and all(n in (-1, m) for n, m in zip(self.shape, shape, strict=True))
