"""Compressed weights go wrong in ways of their own: each is planted in the compressed graph, and is caught.

Nothing else is rounded: a package's exact reading and the graph whose weights it stores agree to 120 dB, so fidelity
sees any of these. Loss sees a compression that is coarser than the one promised.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from pe_validate.case import Case
from pe_validate.gates.verdicts import judge
from pe_validate.inputs.images import default_pixels, samples
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.registry import load_model
from pe_validate.targets.coreml.compression import BLOCK
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run
from pe_validate.data.outputs import Outputs
from pe_validate.targets.recipes import lowered

MODEL = "PE-Nano"
INPUTS = tuple(samples(default_pixels(MODELS[MODEL].image_size))[:4])
LAYER = "encoder.block2.expand"

Fault = Callable[[nn.Linear], Tensor]


def doubled_channel(layer: nn.Linear) -> Tensor:
    return torch.cat([layer.weight[:1] * 2, layer.weight[1:]])


def one_scale_for_all_channels(layer: nn.Linear) -> Tensor:
    return layer.weight / scales(layer) * scales(layer).mean()


def scales_of_the_next_block(layer: nn.Linear) -> Tensor:
    return layer.weight / scales(layer) * scales(layer).roll(BLOCK, 1)


def palette_moved_by_one(layer: nn.Linear) -> Tensor:
    palette, places = layer.weight.unique(return_inverse=True)
    return palette.roll(1)[places]


def columns_exchanged(layer: nn.Linear) -> Tensor:
    return layer.weight.roll(layer.in_features // 2, 1)


FAULTS: dict[str, tuple[Fault, ...]] = {
    "int8": (doubled_channel, one_scale_for_all_channels, columns_exchanged),
    "int4": (doubled_channel, one_scale_for_all_channels, scales_of_the_next_block, columns_exchanged),
    "int8-palette": (palette_moved_by_one, columns_exchanged),
    "int6-palette": (palette_moved_by_one, columns_exchanged),
}


def scales(layer: nn.Linear) -> Tensor:
    """A scale for every weight."""
    scale = layer.get_buffer("_COREML_/weight/quantization_scale")
    return scale.repeat_interleave(layer.in_features // scale.shape[1], 1)


def case(precision: str) -> Case:
    return Case(MODEL, "mlpackage", precision)


@cache
def compressed(precision: str) -> nn.Module:
    return lowered(load_model(MODEL), case(precision))


@cache
def answers(precision: str) -> Outputs:
    return answer(compressed(precision))


def answer(graph: nn.Module) -> Outputs:
    return run(EagerRuntime(graph, MODELS[MODEL]), INPUTS)


@pytest.mark.parametrize(("precision", "fault"), [(p, fault) for p, faults in FAULTS.items() for fault in faults])
def test_fidelity_catches_it(precision: str, fault: Fault) -> None:
    graph = deepcopy(compressed(precision))
    layer = graph.get_submodule(LAYER)
    assert isinstance(layer, nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(fault(layer))
    verdict = judge(case(precision), "fidelity", answers(precision), answer(graph))
    assert verdict.status == "fail", verdict.sentence


@pytest.mark.parametrize(
    ("promised", "given"),
    [("int8", "int4"), ("int8", "int6-palette"), ("int8-palette", "int6-palette"), ("int6-palette", "int4")],
)
def test_loss_catches_a_coarser_compression(promised: str, given: str) -> None:
    verdict = judge(case(promised), "loss", answers("fp32"), answers(given))
    assert verdict.status == "fail", verdict.sentence
