"""The inputs and outputs that an ExecuTorch program declares; it has no names for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec

_DTYPES: Final = {5: "float16", 6: "float32", 7: "float64"}
"""Scalar types by their number in ``exir/scalar_type.py``."""

Meta = tuple[tuple[int, ...], int]
"""Sizes, and the number of the scalar type."""


def signature(inputs: Sequence[Meta], outputs: Sequence[Meta]) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the specifications of the inputs and of the outputs, with names made up for them."""
    names = [OUTPUT_NAME] if len(outputs) == 1 else [f"output{i}" for i in range(len(outputs))]
    found = tuple(_spec(name, meta) for name, meta in zip(names, outputs, strict=True))
    return tuple(_spec(INPUT_NAME, meta) for meta in inputs), found


def _spec(name: str, meta: Meta) -> TensorSpec:
    sizes, dtype = meta
    return TensorSpec(name, sizes, _DTYPES.get(dtype, f"scalar type {dtype}"))
