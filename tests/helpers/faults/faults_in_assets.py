"""Finished Core AI assets that a tool has spoilt."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from planting import MODEL, fault

from pe_validate.case import Case
from pe_validate.models.registry import load_model
from pe_validate.targets.coreai.compression import SCALE, STEPS
from pe_validate.targets.coreai.program import BYTECODE, HASH
from pe_validate.targets.recipes import lowered


def graph_of(precision: str) -> Any:
    return lowered(load_model(MODEL), Case(MODEL, "coreai", precision))


def spliced(path: Path, *exchanged: tuple[bytes, bytes]) -> None:
    """Exchange bytes of the program, and renew its sha256, as a tool does that writes it."""
    file = path / BYTECODE
    content = file.read_bytes()
    places = []
    for old, new in exchanged:
        assert content.count(old) == 1, content.count(old)
        assert len(old) == len(new)
        places.append(content.index(old))
    for place, (_, new) in zip(places, exchanged, strict=True):
        content = content[:place] + new + content[place + len(new) :]
    file.write_bytes(content)
    (path / HASH).write_bytes(hashlib.sha256(content).digest())


@fault("file", "block 1 MLP", kinds=("coreai/fp32",))
def aimodel_a_page_of_zeros(path: Path) -> None:
    """A tool that wrote the program anew lost four kilobytes of a matrix."""
    weight = graph_of("fp32").encoder.block1.expand.weight.numpy().tobytes()
    spliced(path, (weight, bytes(4096) + weight[4096:]))


@fault("file", "block 2 attention", kinds=("coreai/fp16",))
def aimodel_constants_exchanged(path: Path) -> None:
    """Two matrices of the same shape are in each other's place."""
    first, second = (graph_of("fp16").encoder[i].attention.value.weight.half().numpy().tobytes() for i in (4, 6))
    spliced(path, (first, second), (second, first))


@fault("file", "block 3 MLP", kinds=("coreai/int8",))
def aimodel_one_int8_scale_doubled(path: Path) -> None:
    """The scale of one output channel is twice what was computed."""
    scale = graph_of("int8").encoder.block3.contract.get_buffer(SCALE).half().numpy()
    doubled = scale.copy()
    doubled[7] *= 2
    spliced(path, (scale.tobytes(), doubled.tobytes()))


@fault("file", "block 5 attention", kinds=("coreai/int8",))
def aimodel_int8_weights_shifted_by_a_byte(path: Path) -> None:
    """A matrix is read one byte too early."""
    weight = graph_of("int8").encoder.block5.attention.out.get_buffer(STEPS).to(torch.int8).numpy().tobytes()
    spliced(path, (weight, b"\0" + weight[:-1]))


@fault("file", kinds=("coreai/fp32",), refused=True)
def aimodel_one_bit_flipped(path: Path) -> None:
    """One bit of the program is not what was written."""
    file = path / BYTECODE
    content = np.frombuffer(file.read_bytes(), np.uint8).copy()
    content[len(content) // 2] ^= 64
    file.write_bytes(content.tobytes())
