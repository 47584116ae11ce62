"""The inputs and outputs that an ExecuTorch program declares; it has no names for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec

_DTYPES: Final = {
    0: "uint8",
    1: "int8",
    2: "int16",
    3: "int32",
    4: "int64",
    5: "float16",
    6: "float32",
    7: "float64",
    11: "bool",
}
"""Scalar types by their number in ``exir/scalar_type.py``."""

Meta = tuple[tuple[int, ...], int]
"""Sizes, and the number of the scalar type."""


def signature(inputs: Sequence[Meta], outputs: Sequence[Meta]) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the specifications of the inputs and of the outputs, with names made up for them."""
    return _specs(inputs, INPUT_NAME, "input"), _specs(outputs, OUTPUT_NAME, "output")


def _specs(metas: Sequence[Meta], only: str, several: str) -> tuple[TensorSpec, ...]:
    names = [only] if len(metas) == 1 else [f"{several}{i}" for i in range(len(metas))]
    return tuple(_spec(name, meta) for name, meta in zip(names, metas, strict=True))


def _spec(name: str, meta: Meta) -> TensorSpec:
    sizes, dtype = meta
    return TensorSpec(name, sizes, _DTYPES.get(dtype, f"scalar type {dtype}"))
