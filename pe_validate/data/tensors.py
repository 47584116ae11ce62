"""Tensor specifications, as artifacts declare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "features"
"""The names of the only input and the only output of every artifact that this project writes."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and NumPy dtype name of one declared input or output; an axis of any length is -1."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join('?' if n < 0 else str(n) for n in self.shape)}]"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether ``shape`` matches the declared shape."""
        return len(shape) == len(self.shape) and all(n in (-1, m) for n, m in zip(self.shape, shape, strict=True))
