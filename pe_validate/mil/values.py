"""Read tensor types and constants from a program's messages, and check them before anything is allocated."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pe_validate.mil.dtypes import DATA_TYPES, STRING, DataType, to_tensor, unpack
from pe_validate.mil.ops import LARGEST, Value
from pe_validate.mil.package import Package
from pe_validate.system.errors import RunError

RANK: Final = 16
"""The most axes that a tensor may have; MIL itself allows five."""

_KINDS: Final = {"floats": "f", "doubles": "f", "ints": "biuf", "longInts": "biuf", "bools": "b"}
"""The kinds of NumPy types that an immediate value may have, by the field of the message that holds it."""


def read_tensor_type(message: Any, name: str, label: str) -> tuple[DataType, tuple[int | None, ...] | None]:
    """Return the data type and the shape of a ``TensorType`` message; None stands for an open axis or an open rank.

    Raises:
        RunError: the type is not supported, or the shape is impossible for a tensor.
    """
    if message.dataType not in DATA_TYPES:
        raise RunError(f"{label} declares '{name}' with data type {message.dataType}, which is not supported.")
    if any(dimension.unknown.variadic for dimension in message.dimensions):
        return DATA_TYPES[message.dataType], None
    shape = tuple(
        int(dimension.constant.size) if dimension.WhichOneof("dimension") == "constant" else None
        for dimension in message.dimensions
    )
    if any(size is not None and size > LARGEST for size in shape):
        raise RunError(f"{label} declares '{name}' with a dimension above {LARGEST}; export it again.")
    if len(shape) > RANK:
        raise RunError(f"{label} declares '{name}' with {len(shape)} dimensions, above {RANK}; export it again.")
    if prod(size or 1 for size in shape) > LARGEST:
        raise RunError(f"{label} declares '{name}' with more than {LARGEST} values; export it again.")
    return DATA_TYPES[message.dataType], shape


def read_constant(value: Any, name: str, package: Package) -> Value:
    """Return the constant of a ``Value`` message, from the weight file or from the program itself.

    Raises:
        RunError: it is not supported, or its content does not match its type.
    """
    label = package.label
    if value.type.WhichOneof("type") == "listType":
        return tuple(read_constant(item, name, package) for item in value.immediateValue.list.values)
    if value.type.WhichOneof("type") != "tensorType":
        raise RunError(f"{label} has a constant '{name}' that is not a tensor; it is not supported.")
    tensor = value.immediateValue.tensor
    if value.type.tensorType.dataType == STRING:
        if len(tensor.strings.values) != 1:
            raise RunError(f"{label} has a constant '{name}' of several strings; it is not supported.")
        return str(tensor.strings.values[0])
    dtype, declared = read_tensor_type(value.type.tensorType, name, label)
    shape = tuple(size for size in declared or () if size is not None)
    if declared is None or len(shape) != len(declared):
        raise RunError(f"{label} has a constant '{name}' of unknown shape; export it again.")
    if value.WhichOneof("value") == "blobFileValue":
        file = value.blobFileValue
        return package.blobs(file.fileName).read(file.offset, shape, dtype)
    return _immediate(tensor, shape, dtype, f"{label} has a constant '{name}'")


def _immediate(tensor: Any, shape: tuple[int, ...], dtype: DataType, label: str) -> Tensor:
    field = tensor.WhichOneof("value")
    content = getattr(tensor, field).values if field else b""
    count = prod(shape)
    if len(content) != (dtype.stored_bytes(count) if isinstance(content, bytes) else count):
        raise RunError(f"{label} whose size is not its shape's; export it again.")
    if not isinstance(content, bytes):
        values = _listed(np.array(content), field, dtype, label)
    elif dtype.bits < 8:
        values = unpack(np.frombuffer(content, np.uint8), count, dtype)
    else:
        values = np.frombuffer(content, dtype.stored).copy()  # a copy, because torch warns about read-only memory
    return to_tensor(values, dtype).reshape(shape)


def _listed(content: NDArray[np.generic], field: str, dtype: DataType, label: str) -> NDArray[np.generic]:
    """Return the numbers that a message lists, in their declared type."""
    fits = np.dtype(dtype.stored).kind in _KINDS.get(field, "")
    with np.errstate(over="ignore"):  # values that overflow become infinite
        values = content.astype(dtype.stored) if fits else content
    if not fits or (values.dtype.kind in "iu" and not np.array_equal(values, content)):
        raise RunError(f"{label} whose values are no {dtype.name}; export it again.")
    return values
