"""Changes to a saved package: its manifest, its specification and its weights."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pe_validate.mil.proto import parse_model

Mutation = Callable[[Path], None]
MANIFEST = Path("Manifest.json")
MODEL = Path("Data/com.apple.CoreML/model.mlmodel")
WEIGHTS = Path("Data/com.apple.CoreML/weights/weight.bin")


def edit(change: Callable[[Any], object]) -> Mutation:
    """Change the specification."""

    def mutate(path: Path) -> None:
        specification = parse_model((path / MODEL).read_bytes())
        change(specification)
        (path / MODEL).write_bytes(specification.SerializeToString())

    return mutate


def block(specification: Any) -> Any:
    return specification.mlProgram.functions["main"].block_specializations["CoreML8"]


def operation(specification: Any, kind: str) -> Any:
    return next(found for found in block(specification).operations if found.type == kind)


def manifest(change: Callable[[dict[str, Any]], None]) -> Mutation:
    def mutate(path: Path) -> None:
        content = json.loads((path / "Manifest.json").read_text())
        change(content)
        (path / "Manifest.json").write_text(json.dumps(content))

    return mutate


def root_path(value: object) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["itemInfoEntries"][content["rootModelIdentifier"]].update(path=value)


def weights(change: Callable[[bytearray], object]) -> Mutation:
    def mutate(path: Path) -> None:
        content = bytearray((path / WEIGHTS).read_bytes())
        change(content)
        (path / WEIGHTS).write_bytes(content)

    return mutate


def poke(offset: int, form: str, value: int) -> Mutation:
    return weights(lambda content: struct.pack_into(form, content, offset, value))
