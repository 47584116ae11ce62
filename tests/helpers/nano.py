"""PE-Nano, the model that is small enough to be exported, and run on emulated cores, in a test."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from pe_validate.case import Case
from pe_validate.models.registry import load_model, model_named
from pe_validate.targets.base import Example
from pe_validate.targets.xnnpack.write import write_pte

IMAGES: Final = model_named("PE-Nano").feed.samples()


def case(precision: str, target: str = "pte") -> Case:
    """PE-Nano: its inference takes a second on an emulated core."""
    return Case("PE-Nano", target, precision)


def write_plain(path: Path) -> None:
    """PE-Nano as it is, whose LayerNorms stay outside of the delegate; to be called in a child."""
    write_pte(load_model("PE-Nano"), Example.of(torch.from_numpy(IMAGES[0].image)), path, {})


def write_undelegated(path: Path) -> None:
    """PE-Nano by ExecuTorch's own portable operators, as without a partitioner; to be called in a child."""
    from executorch.exir import to_edge

    from pe_validate.targets.xnnpack import write as to_pte

    to_pte.lower_by_partitions = lambda program, constants: to_edge(program, constant_methods=constants)
    write_pte(load_model("PE-Nano"), Example.of(torch.from_numpy(IMAGES[0].image)), path, {})
