"""Tensors as artifacts declare them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "features"
"""Names of the one input and the one output of every artifact that this project writes."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, shape and NumPy dtype name of one declared input or output; an axis of any length is -1."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{self.name}: {self.dtype}[{', '.join('?' if n < 0 else str(n) for n in self.shape)}]"

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Return whether a tensor of ``shape`` is what was declared."""
        return len(shape) == len(self.shape) and all(n in (-1, m) for n, m in zip(self.shape, shape, strict=True))
