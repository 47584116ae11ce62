"""Compressed weights go wrong in ways of their own: each is planted in the compressed graph, and is caught.

Nothing else is rounded: a package's exact reading and the graph whose weights it stores agree to 120 dB, so fidelity
sees any of these. Loss sees a compression that is coarser than the one promised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from in_graphs import fidelity, judged, shown
from torch import Tensor, nn

from pe_validate.case import Case
from pe_validate.reference.reference import Reference
from pe_validate.targets.coreml.compression import BLOCK

MODEL = "PE-Nano"
TARGETS = ("mlpackage", "coreai")
SCALES = {"_COREML_/weight/quantization_scale", "coreai_scale"}
"""Buffers with the scales of a layer: coremltools' name, and this project's for coreai-opt's."""
LAYER = "encoder.block2.expand"

Fault = Callable[[nn.Linear], Tensor]


def doubled_channel(layer: nn.Linear) -> Tensor:
    return torch.cat([layer.weight[:1] * 2, layer.weight[1:]])


def one_scale_for_all_channels(layer: nn.Linear) -> Tensor:
    return layer.weight / scales(layer) * scales(layer).mean()


def scales_of_the_next_block(layer: nn.Linear) -> Tensor:
    return layer.weight / scales(layer) * scales(layer).roll(BLOCK, 1)


def palette_moved_by_one(layer: nn.Linear) -> Tensor:
    palette, places = torch.unique(layer.weight, return_inverse=True)
    moved: Tensor = palette.roll(1)[places]
    return moved


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
    (scale,) = (value for name, value in layer.named_buffers(recurse=False) if name in SCALES)
    return scale.repeat_interleave(layer.in_features // scale.shape[1], 1)


@pytest.fixture(scope="module")
def model() -> Reference:
    return shown(MODEL, "china", "flower", "grace_hopper", "gradient")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("precision", "fault"), [(p, fault) for p, faults in FAULTS.items() for fault in faults])
def test_fidelity_catches_it(precision: str, fault: Fault, target: str, model: Reference) -> None:
    def plant(graph: nn.Module) -> None:
        layer = graph.get_submodule(LAYER)
        assert isinstance(layer, nn.Linear)
        layer.weight.copy_(fault(layer))

    verdict = fidelity(model, Case(MODEL, target, precision), plant)
    assert verdict.status == "fail", verdict.sentence


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("promised", "given"),
    [("int8", "int4"), ("int8", "int6-palette"), ("int8-palette", "int6-palette"), ("int6-palette", "int4")],
)
def test_loss_catches_a_coarser_compression(promised: str, given: str, target: str, model: Reference) -> None:
    case = partial(Case, MODEL, target)
    verdict = judged(case(promised), "loss", model.lowered(case("fp32")), model.lowered(case(given)))
    assert verdict.status == "fail", verdict.sentence
