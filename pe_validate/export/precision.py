"""What each precision means for each target: the very graph that is lowered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import nn

from pe_validate.case import Case
from pe_validate.models.deploy import NormStyle, deploy
from pe_validate.models.tower import VisionTower

NORM_STYLE: Final[dict[str, NormStyle]] = {
    "onnx": "fused",
    # nn.LayerNorm stays outside the XNNPACK delegate of ExecuTorch 1.4.1 and cuts the graph in 27 pieces.
    "pte": "linear",
    # The other way round: coremltools 9.0's optimize_linear pass fails on the linear form.
    "mlpackage": "fused",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the lowered graph of a model: cases that share a recipe share the graph."""

    norm: NormStyle
    half_weights: bool


def recipe(case: Case) -> Recipe:
    """How ``case`` is lowered."""
    return Recipe(NORM_STYLE[case.target], half_weights=case.precision == "fp16")


def lowered(tower: VisionTower, case: Case) -> nn.Module:
    """The module that the exporter is given for ``case``, and that fidelity is measured against.

    For fp16 its parameters and tables are already rounded to float16 and stored as float32, so what is
    left to differ is arithmetic.
    """
    chosen = recipe(case)
    module = deploy(tower, norm=chosen.norm)
    if chosen.half_weights:
        with torch.no_grad():
            for tensor in (*module.parameters(), *module.buffers()):
                tensor.copy_(tensor.half())
    return module
