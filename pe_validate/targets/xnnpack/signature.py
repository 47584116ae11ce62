"""The inputs and outputs that an ExecuTorch program declares; it has no names for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.targets.xnnpack.orders import Orders

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

Signature = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def signature(inputs: Sequence[Meta], outputs: Sequence[Meta], orders: tuple[Orders, Orders] = ((), ())) -> Signature:
    """Return the specifications of the inputs and of the outputs, with names made up for them.

    ``orders`` are those of :func:`~pe_validate.targets.xnnpack.orders.memory_orders`.
    """
    specs = _specs(inputs, INPUT_NAME, "input"), _specs(outputs, OUTPUT_NAME, "output")
    return _ordered(specs[0], orders[0]), _ordered(specs[1], orders[1])


def _specs(metas: Sequence[Meta], only: str, several: str) -> list[TensorSpec]:
    names = [only] if len(metas) == 1 else [f"{several}{i}" for i in range(len(metas))]
    return [_spec(name, meta) for name, meta in zip(names, metas, strict=True)]


def laid_out(image: NDArray[np.generic], spec: TensorSpec) -> NDArray[np.generic]:
    """Return the memory of an image in the order that ``spec`` declares, as a contiguous array of the same shape.

    The runtime reads the bytes alone, and its bindings refuse strides other than contiguous and channels-last.
    """
    return np.ascontiguousarray(image.transpose(spec.order)).reshape(image.shape) if spec.order else image


def _spec(name: str, meta: Meta) -> TensorSpec:
    sizes, dtype = meta
    return TensorSpec(name, sizes, _DTYPES.get(dtype, f"scalar type {dtype}"))


def _ordered(specs: Sequence[TensorSpec], orders: Orders) -> tuple[TensorSpec, ...]:
    return tuple(replace(spec, order=order or ()) for spec, order in zip_longest(specs, orders[: len(specs)]))
