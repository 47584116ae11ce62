"""``weight.bin``: MIL blob storage, version 2, memory-mapped.

Layout, little-endian, as written by coremltools 9.0's own storage writer: a 64-byte header (uint32 count,
uint32 version), then for each blob 64 bytes of metadata (uint32 sentinel, uint32 type, uint64 bytes,
uint64 offset of the data, uint64 unused bits at its end), each metadata and data block aligned to 64. A
constant in the program refers to the offset of the metadata.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Final

import numpy as np
import torch

from pe_validate.mil.dtypes import DataType, to_tensor, unpack
from pe_validate.system.errors import RunError
from pe_validate.system.files import plain_file

_VERSION: Final = 2
_SENTINEL: Final = 0xDEADBEEF
_ALIGNMENT: Final = 64
_HEADER: Final = struct.Struct("<II")
_METADATA: Final = struct.Struct("<IIQQQ")
_TYPES: Final = {
    1: "float16", 2: "float32", 3: "uint8", 4: "int8", 6: "int16", 7: "uint16", 8: "int4", 9: "uint1",
    10: "uint2", 11: "uint4", 12: "uint3", 13: "uint6", 14: "int32", 15: "uint32",
}  # fmt: skip


class BlobFile:
    """One blob file of a package.

    ``label`` names the file in error messages.

    Raises:
        RunError: the file is missing, or is not blob storage of a known version.
    """

    def __init__(self, path: Path, label: str) -> None:
        self._label = label
        try:
            # Copy-on-write, because torch warns about read-only memory and the file must not change.
            with plain_file(path).open("rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            raise RunError(f"{label} cannot be read ({error}); export the model again.") from error
        if len(self._data) < _ALIGNMENT:
            raise RunError(f"{label} is truncated: it has no header; export the model again.")
        version = _HEADER.unpack_from(self._data)[1]
        if version != _VERSION:
            raise RunError(f"{label} has blob storage version {version}, where {_VERSION} was expected.")

    def read(self, offset: int, shape: tuple[int, ...], dtype: DataType) -> torch.Tensor:
        """Return the constant whose metadata is at ``offset``.

        Values of whole bytes are views into the mapped file. float16 stays float16 here and is widened where it is
        used, so that a loaded package takes half the memory.

        Raises:
            RunError: the metadata or the data lies outside the file, or does not match the shape and type.
        """
        start, length = self._locate(offset, shape, dtype)
        count = int(np.prod(shape, dtype=np.int64))
        if dtype.bits < 8:
            packed = np.frombuffer(self._data, np.uint8, length, start)
            return to_tensor(unpack(packed, count, dtype), dtype).reshape(shape)
        values = np.frombuffer(self._data, dtype.stored, count, start).reshape(shape)
        return torch.from_numpy(values) if dtype.name == "float16" else to_tensor(values, dtype)

    def _locate(self, offset: int, shape: tuple[int, ...], dtype: DataType) -> tuple[int, int]:
        """Return the start and the length, in bytes, of the data that the metadata at ``offset`` describes."""
        if offset % _ALIGNMENT or not _ALIGNMENT <= offset <= len(self._data) - _ALIGNMENT:
            raise RunError(f"{self._label} has no blob at offset {offset}: its {len(self._data)} bytes end before.")
        sentinel, number, length, start, _ = _METADATA.unpack_from(self._data, offset)
        if sentinel != _SENTINEL:
            raise RunError(f"{self._label} has no blob at offset {offset}; export the model again.")
        if start % _ALIGNMENT or start + length > len(self._data):
            raise RunError(f"{self._label} is truncated: the blob at offset {offset} ends outside of it.")
        expected = dtype.stored_bytes(int(np.prod(shape, dtype=object)))
        stored = "uint8" if dtype.name == "bool" else dtype.name
        if _TYPES.get(number) != stored or length != expected:
            raise RunError(
                f"{self._label} holds {length} bytes of {_TYPES.get(number, f'type {number}')} at offset "
                f"{offset}, where the program declares {expected} bytes of {stored}."
            )
        return start, length
