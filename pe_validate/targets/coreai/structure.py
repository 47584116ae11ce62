"""The weights and results of an ``.aimodel``, read from its program without running it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from math import ceil, prod
from pathlib import Path
from typing import Any, Final, TypeVar

from pe_validate.data.structure import Structure, Weight
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.coreai.program import CONSTANT, bits_of, is_splat, operations, read_program, shape_of, type_of

T = TypeVar("T")

LAYERS: Final = {
    "coreai.batch_matmul": "linear",
    "coreai.decomposable.broadcasting_batch_matmul": "linear",
    "coreai.conv2d": "convolution",
}
"""Operators that multiply by a matrix of weights."""

SCALED: Final = "coreai.blockwise_shift_scale"
LOOKED_UP: Final = "coreai.lut_to_dense"

PASSING: Final = frozenset({"coreai.transpose", "coreai.reshape", "coreai.broadcast_in_dims", "coreai.cast"})
"""What may lie between a constant and the product that it is in."""

READ_TIMEOUT: Final = 120.0
"""In seconds, for files of gigabytes."""


def structure(path: Path) -> Structure:
    """Return the constants of a program by the type in which they are stored, and how many results have each type.

    Raises:
        RunError: the file cannot be read.
        SetupError: Core AI is not installed.
    """
    program = read_program(path)  # its operations do not outlive it
    found = list(operations(program))
    return Structure(weights=tuple(weight for weight, _ in weights_of(found)), results=dict(results_of(found)))


def weights_of(found: Iterable[Any]) -> Iterator[tuple[Weight, Any]]:
    """Yield the weights among operations, each with the constant that stores it; they are named by their number."""
    number = 0
    for operation in found:
        if operation.name == CONSTANT and (weight := _weight(operation, number)):
            number += 1
            yield weight, operation


def results_of(found: Iterable[Any]) -> Counter[str]:
    """Count the computed values by type; constants and conversions do not count as computed."""
    results = Counter[str]()
    for operation in found:
        if operation.name not in (CONSTANT, "coreai.cast"):
            results.update(type_of(result) for result in operation.results if shape_of(result) or _is_number(result))
    return results


def _is_number(result: Any) -> bool:
    return type_of(result).startswith(("float", "bfloat", "int", "uint", "bool"))


def _weight(constant: Any, number: int) -> Weight | None:
    """Return a constant as the network sees it; None for a part of another, such as its scales, and for one number."""
    result = constant.results[0]
    shape, dtype = shape_of(result), type_of(result)
    readers = list(readers_of(result))
    if any(operation.name in (SCALED, LOOKED_UP) and place for operation, place in readers):
        return None
    storage, size, layers = dtype, ceil(prod(shape) * bits_of(dtype) / 8), readers
    for operation, _ in readers:
        if operation.name == LOOKED_UP:
            table = operation.operands[1]
            storage, size = _palette(dtype, shape_of(table)), size + _bytes(table)
            layers = list(readers_of(operation.results[0]))
        elif operation.name == SCALED:
            scale = operation.operands[1]
            storage, size = _scaled(dtype, shape, shape_of(scale)), size + _bytes(scale)
            layers = list(readers_of(operation.results[0]))
    if prod(shape) < 2 or is_splat(constant):  # such as the scales of a norm whose own were folded into weights
        return None
    layer = next((kind for operation, _ in layers if (kind := _layer(operation))), "")
    return Weight(f"constant {number}", shape, storage, size, layer if len(shape) > 1 else "")


def parts_of(constant: Any) -> Iterator[Any]:
    """Yield the constants that a weight is made of: itself, and its scales or its table."""
    yield constant
    for operation, _ in readers_of(constant.results[0]):
        if operation.name in (LOOKED_UP, SCALED):
            owners = (operand.owner for operand in list(operation.operands)[1:])
            yield from (owner for owner in owners if getattr(owner, "name", "") == CONSTANT)


def readers_of(value: Any) -> Iterator[tuple[Any, int]]:
    """Yield the operations that read a value, with the place of it among their operands."""
    for use in value.uses:
        yield use.owner, use.operand_number


def _layer(operation: Any) -> str:
    """Return the type of the layer that an operation is, or that reads what it passes on."""
    if operation.name in LAYERS:
        return LAYERS[operation.name]
    if operation.name not in PASSING:
        return ""
    return next((kind for reader, _ in readers_of(operation.results[0]) if (kind := _layer(reader))), "")


def _bytes(value: Any) -> int:
    return ceil(prod(shape_of(value)) * bits_of(type_of(value)) / 8)


def _palette(dtype: str, table: tuple[int, ...]) -> str:
    """Return the words for a palette; ``table`` is ``[1, …, values, width]``, with more tables than one if not 1."""
    tables = prod(table[:-2])
    return f"{bits_of(dtype)}-bit palette" + ("" if tables == 1 else f", {tables} tables")


def _scaled(dtype: str, shape: tuple[int, ...], scale: tuple[int, ...]) -> str:
    """Return the words for whole numbers with scales."""
    if prod(scale) == 1:
        return f"{dtype}, one scale"
    if scale[0] == shape[0] and prod(scale[1:]) == 1:
        return f"{dtype}, a scale for each channel"
    return f"{dtype}, blocks of {prod(shape) // prod(scale)}"


def isolated(read: Callable[[Path], T], path: Path) -> T:
    """Return what ``read``, such as :func:`structure`, reads from an untrusted file, in a child process.

    Raises:
        RunError: the file cannot be read.
        SetupError: Core AI is not installed.
    """
    with Child(memory=memory_for(path), preload=("torch", "coreai.authoring")) as child:
        try:
            return child.call(read, READ_TIMEOUT, path)
        except ChildError as error:
            raise RunError(f"The weights of '{path}' cannot be read: {error}.") from error
