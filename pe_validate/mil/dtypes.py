"""MIL data types: how each is stored in a file, and the torch type that represents it in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class DataType:
    """One ``MILSpec.DataType``: its name, stored NumPy type or bit width, and torch type in memory."""

    name: str
    stored: str
    bits: int
    memory: torch.dtype

    @property
    def widened(self) -> bool:
        """True if the type in memory holds integers that the declared type does not."""
        return (
            not self.memory.is_floating_point and self.memory is not torch.bool and 8 * self.memory.itemsize > self.bits
        )

    @property
    def signed(self) -> bool:
        """True unless its name begins as that of an unsigned type or of a boolean."""
        return not self.name.startswith(("u", "b"))

    def stored_bytes(self, count: int) -> int:
        """Return the bytes that ``count`` values take; values narrower than a byte are packed without gaps."""
        return (count * self.bits + 7) // 8


FLOAT16: Final = 10
STRING: Final = 2

# Unsigned types that torch supports only in part are widened to the next signed type.
DATA_TYPES: Final[dict[int, DataType]] = {
    1: DataType("bool", "bool", 8, torch.bool),
    FLOAT16: DataType("float16", "<f2", 16, torch.float32),
    11: DataType("float32", "<f4", 32, torch.float32),
    12: DataType("float64", "<f8", 64, torch.float32),
    21: DataType("int8", "i1", 8, torch.int8),
    22: DataType("int16", "<i2", 16, torch.int16),
    23: DataType("int32", "<i4", 32, torch.int32),
    24: DataType("int64", "<i8", 64, torch.int64),
    25: DataType("int4", "i1", 4, torch.int8),
    31: DataType("uint8", "u1", 8, torch.uint8),
    32: DataType("uint16", "<u2", 16, torch.int32),
    33: DataType("uint32", "<u4", 32, torch.int64),
    34: DataType("uint64", "<u8", 64, torch.int64),
    35: DataType("uint4", "u1", 4, torch.uint8),
    36: DataType("uint2", "u1", 2, torch.uint8),
    37: DataType("uint1", "u1", 1, torch.uint8),
    38: DataType("uint6", "u1", 6, torch.uint8),
    39: DataType("uint3", "u1", 3, torch.uint8),
}
"""Data types by number in ``MIL.proto``. Strings are Python strings here; bfloat16 and float8 are not supported."""


def wrap(values: torch.Tensor, dtype: DataType) -> torch.Tensor:
    """Return numbers as a tensor of the type in memory, with the values that the declared type would have.

    Floating values lose their fraction; integers beyond the declared range wrap, also where the type in memory is
    wider than the declared one.
    """
    if dtype.memory.is_floating_point or dtype.memory is torch.bool:
        return values.to(dtype.memory)
    low, width = (-(1 << dtype.bits - 1) if dtype.signed else 0), dtype.bits
    whole = values.to(torch.int64)
    if width < 64:
        whole = (whole - low & (1 << width) - 1) + low
    return whole.to(dtype.memory)


def to_tensor(values: NDArray[np.generic], dtype: DataType) -> torch.Tensor:
    """Return stored values as a tensor of the type in memory."""
    if dtype.name == "bool":  # torch's booleans must be 0 or 1
        values = values.view(np.uint8) != 0
    if dtype.stored in ("<u2", "<u4", "<u8"):
        values = values.astype(np.int64)
    return torch.from_numpy(values).to(dtype.memory)


def unpack(packed: NDArray[np.uint8], count: int, dtype: DataType) -> NDArray[np.generic]:
    """Unpack values narrower than a byte, one per element.

    They are packed from the least significant bit of the first byte, across byte boundaries.
    """
    bits = np.unpackbits(packed, bitorder="little")[: count * dtype.bits].reshape(count, dtype.bits)
    padded = np.zeros((count, 8), np.uint8)
    padded[:, : dtype.bits] = bits
    if dtype.stored == "i1":  # sign extension
        padded[:, dtype.bits :] = bits[:, -1:]
    unsigned: NDArray[np.generic] = np.packbits(padded, axis=1, bitorder="little").reshape(count)
    return unsigned.view(dtype.stored)
