"""Read the program in an ``.aimodel``: its operations, constants and metadata, without running it.

An asset is a folder: ``main.mlirb``, the program as MLIR bytecode; ``main.hash``, the sha256 of that; and
``metadata.json``. The readers are C++ and may crash on a damaged file: call them in a child process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from math import ceil, prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.system.errors import RunError
from pe_validate.targets.coreai.libraries import library

BYTECODE: Final = "main.mlirb"
HASH: Final = "main.hash"
METADATA: Final = "metadata.json"

ENTRY: Final = "main"
"""The function that is run."""

CONSTANT: Final = "coreai.constant"
GRAPH: Final = "coreai.graph"
OUTPUT: Final = "coreai.output"

KNOWN_VERSION: Final = 2
"""The first number of ``assetVersion`` that coreai-core 1.0.0b3 writes."""

_LARGEST_METADATA: Final = 2**20

_MAGIC: Final = b"ML\xefR"
"""How MLIR bytecode begins."""


def check_asset(path: Path) -> None:
    """Refuse what is no whole asset, before Apple's reader sees it.

    Raises:
        RunError: it is no folder, a part is missing, or the program has changed since it was written.
    """
    if not path.is_dir():
        raise RunError(f"'{path}' is no Core AI asset: that is a folder with '{BYTECODE}' and '{METADATA}' in it.")
    bytecode = path / BYTECODE
    if not bytecode.is_file():
        raise RunError(f"'{path}' is damaged: it holds no program ('{BYTECODE}'); convert it again.")
    said = _metadata(path)
    version = str(said.get("assetVersion", ""))
    number = version.partition(".")[0]
    if not number.isdecimal():
        raise RunError(f"'{path}' is damaged: its metadata has no version of the format; convert it again.")
    if int(number) > KNOWN_VERSION:
        raise RunError(
            f"'{path}' has version {version} of the format, newer than {KNOWN_VERSION}, the newest that is known here: "
            "update coreai-core, or convert it with an older one."
        )
    with bytecode.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise RunError(f"'{path}' is damaged: '{BYTECODE}' is no program; convert it again.")
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").digest()
    stored = path / HASH
    if stored.is_file() and stored.stat().st_size <= _LARGEST_METADATA and stored.read_bytes() != found:
        raise RunError(f"'{path}' is damaged: its program is not the one that was written; convert it again.")


def metadata(path: Path) -> dict[str, Any]:
    """Return an asset's metadata, as its ``metadata.json`` has it.

    Raises:
        RunError: it is missing, or is no object.
    """
    return _metadata(path)


def _metadata(path: Path) -> dict[str, Any]:
    file = path / METADATA
    try:
        if file.stat().st_size > _LARGEST_METADATA:
            raise RunError(f"'{path}' is damaged: its metadata is larger than any; convert it again.")
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"'{path}' is damaged: its metadata ('{METADATA}') cannot be read; convert it again.") from error
    if not isinstance(found, dict):
        raise RunError(f"'{path}' is damaged: its metadata is no object; convert it again.")
    return found


def read_program(path: Path) -> Any:
    """Return the ``coreai.authoring.AIProgram`` of an asset; runs in a child process.

    Raises:
        RunError: it is damaged or of a newer format.
        SetupError: Core AI is not installed.
    """
    check_asset(path)
    authoring = library("coreai.authoring")
    try:
        return authoring.AIModelAsset.load(path).program
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"'{path}' cannot be read by Core AI: its program is damaged, or of a newer format than coreai-core "
            "1.0.0b3's; convert it again."
        ) from error


def operations(program: Any) -> Iterator[Any]:
    """Yield every MLIR operation of a program, those inside others after them."""
    yield from inside(program._module._mlir_module.operation)


def inside(operation: Any) -> Iterator[Any]:
    """Yield the operations inside one, each before those inside it."""
    for region in operation.regions:
        for block in region.blocks:
            for each in block.operations:
                yield each.operation
                yield from inside(each.operation)


def entry(program: Any) -> Any | None:
    """Return the operation of the function that is run, or None if there is none."""
    return next((op for op in operations(program) if op.name == GRAPH and name_of(op) == ENTRY), None)


def name_of(graph: Any) -> str:
    """Return the name of a graph."""
    return str(graph.attributes["sym_name"]).strip('"')


def shape_of(value: Any) -> tuple[int, ...]:
    """Return the shape of a value; an axis of any length is -1, and what is no tensor has none."""
    ir = library("coreai._compiler.ir")
    if not ir.RankedTensorType.isinstance(value.type):
        return ()
    ranked = ir.RankedTensorType(value.type)
    return tuple(-1 if ranked.is_dynamic_dim(axis) else ranked.get_dim_size(axis) for axis in range(ranked.rank))


_TYPES: Final = {"f": "float", "bf": "bfloat", "si": "int", "ui": "uint", "i": "int"}


def type_of(value: Any) -> str:
    """Return the type of a value's elements, as NumPy names such: ``float16``, ``int4``; ``bool`` for one bit."""
    ir = library("coreai._compiler.ir")
    if not ir.RankedTensorType.isinstance(value.type):
        return str(value.type)
    written = str(ir.RankedTensorType(value.type).element_type)
    bits = written.lstrip("abcdefghijklmnopqrstuvwxyz")
    kind = written.removesuffix(bits)
    if written == "i1":
        return "bool"
    return f"{_TYPES[kind]}{bits}" if kind in _TYPES and bits.isdecimal() else written


def bits_of(dtype: str) -> int:
    """Return the bits of one value of a type; 8 for one that is not known."""
    digits = dtype.lstrip("abcdefghijklmnopqrstuvwxyz")
    return 1 if dtype == "bool" else int(digits) if digits.isdecimal() else 8


def constant_bytes(operation: Any) -> NDArray[np.uint8]:
    """Return the bytes of a constant, as they are in memory."""
    result = operation.results[0]
    size = ceil(prod(shape_of(result)) * bits_of(type_of(result)) / 8)
    found = np.zeros(size, np.uint8)
    compiler = library("coreai._compiler._mlir_libs._coreaiIR._bindings.compiler")
    compiler.copy_constant_value_to_array(constant_op=operation, destination=found)
    return found


def is_splat(operation: Any) -> bool:
    """Return whether a constant has one value throughout."""
    ir = library("coreai._compiler.ir")
    value = operation.attributes["value"]
    return bool(ir.DenseElementsAttr.isinstance(value) and ir.DenseElementsAttr(value).is_splat)
