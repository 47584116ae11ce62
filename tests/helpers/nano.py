"""What the tests on emulated cores show to which programs."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch

from pe_validate.case import Case
from pe_validate.inputs.images import default_pixels, samples
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.registry import load_model
from pe_validate.targets.xnnpack.write import write_pte

IMAGES: Final = samples(default_pixels(MODELS["PE-Nano"].image_size))


def case(precision: str) -> Case:
    """PE-Nano: its inference takes a second on an emulated core."""
    return Case("PE-Nano", "pte", precision)


def write_undelegated(path: Path) -> None:
    """PE-Nano by ExecuTorch's own portable operators, as without a partitioner; to be called in a child."""
    from executorch.exir import to_edge

    from pe_validate.targets.xnnpack import write as to_pte

    to_pte.lower_by_partitions = lambda program, constants: to_edge(program, constant_methods=constants)
    write_pte(load_model("PE-Nano"), torch.from_numpy(IMAGES[0].image), path, {})
