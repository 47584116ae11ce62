"""Every precision is real arithmetic of its own, and what cannot be quantised is a sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nano import case
from torch import fx, nn
from torchao.quantization.pt2e import HistogramObserver

from pe_validate.case import MATRIX
from pe_validate.data.compare import compare
from pe_validate.inputs.images import Sample
from pe_validate.models.perception_encoder.vision.config import NANO
from pe_validate.models.perception_encoder.vision.outliers import add_outliers
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.system.errors import ExportError, LoadError, UsageError
from pe_validate.targets.export import export
from pe_validate.targets.recipes import calibration_images, lowered
from pe_validate.targets.registry import recipe, targets
from pe_validate.targets.xnnpack.constants import of_graph
from pe_validate.targets.xnnpack.quantization import calibrate
from pe_validate.walk.check import claimed

SMALL = replace(NANO, layers=2)
IMAGE = torch.rand(NANO.input_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def tower() -> VisionTower:
    model = VisionTower(SMALL).eval().requires_grad_(False)
    model.load_state_dict(seeded(SMALL, 7))
    return model


def calibration(precision: str) -> tuple[Sample, ...]:
    return calibration_images(case(precision))


def loss_db(tower: VisionTower, precision: str) -> float:
    graph = lowered(tower, case(precision), calibration(precision))
    with torch.no_grad():
        image = IMAGE.to(getattr(torch, recipe(case(precision)).scheme.dtype))
        return compare(tower(IMAGE), graph(image).float()).snr_db


def test_every_case_has_a_recipe_and_every_recipe_a_case() -> None:
    recipes = {(name, precision) for name, target in targets().items() for precision in target.precisions}
    assert {(c.target, c.precision) for c in MATRIX} == recipes


def test_fewer_bits_lose_more(tower: VisionTower) -> None:
    losses = [loss_db(tower, precision) for precision in ("fp32", "fp16", "int8", "int4")]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] > 107
    assert 50 < losses[1] < 80
    assert 25 < losses[2] < 45
    assert 5 < losses[3] < 25


def test_one_scale_for_all_tokens_loses_more_than_one_for_each_where_some_channels_are_large(
    tower: VisionTower,
) -> None:
    tensors = seeded(SMALL, 7)
    add_outliers(tensors, SMALL, 7)
    tower.load_state_dict(tensors)
    assert loss_db(tower, "int8-static") < loss_db(tower, "int8") - 6


def test_calibration_observes_float64_which_rounds_alike_on_all_machines(
    tower: VisionTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed = []
    forward = HistogramObserver.forward

    def record(self: HistogramObserver, x: torch.Tensor) -> torch.Tensor:
        observed.append(x.dtype)
        same: torch.Tensor = forward(self, x)
        return same

    monkeypatch.setattr(HistogramObserver, "forward", record)
    graph = lowered(tower, case("int8-static"), calibration("int8-static"))
    assert set(observed) == {torch.float64}
    assert graph(IMAGE).dtype == torch.float32


def test_a_class_token_that_calibration_scales_is_not_among_the_weights_that_a_program_must_store(
    tower: VisionTower,
) -> None:
    graph = lowered(tower, case("int8-static"), calibration("int8-static"))
    held = [getattr(graph, name) for name in of_graph(graph) if hasattr(graph, name)]
    tokens = [tensor for tensor in graph.state_dict().values() if tensor.shape == (1, SMALL.width)]
    assert [tensor for tensor in held if tensor.dtype == torch.int8]
    assert [tensor for tensor in tokens if tensor.dtype == torch.int8]
    assert (1, SMALL.width) not in {tuple(tensor.shape) for tensor in held}


class Layers(nn.Module):
    """Two linear layers, the second of which may read a sum."""

    def __init__(self, adds: bool) -> None:
        super().__init__()
        self.first, self.projection, self.adds = nn.Linear(8, 8), nn.Linear(8, 8), adds

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.first(x)
        found = found + x if self.adds else found.tanh()
        out: torch.Tensor = self.projection(found.view(2, 8))
        return out


@pytest.mark.parametrize(("adds", "quantised"), [(False, 2), (True, 1)])
def test_a_layer_that_reads_a_sum_stays_in_float32_and_no_other(adds: bool, quantised: int) -> None:
    graph = calibrate(Layers(adds).eval(), [(np.ones((2, 8), np.float32),)])
    held = [getattr(graph, name) for name in of_graph(graph) if hasattr(graph, name)]
    assert sum(tensor.dtype == torch.int8 and tensor.ndim == 2 for tensor in held) == quantised


@pytest.mark.parametrize(("precision", "levels"), [("int8", 256), ("int4", 16)])
def test_weights_take_no_more_values_than_their_bits_have(tower: VisionTower, precision: str, levels: int) -> None:
    weight: Any = lowered(tower, case(precision)).get_parameter("encoder.block1.expand.weight")
    assert weight.qdata.unique().numel() <= levels
    assert weight.activation_quantization == "int8_asym_per_token"


@pytest.mark.parametrize("precision", ["int8", "int8-static", "int4"])
def test_weights_that_are_not_numbers_are_refused_by_name(tower: VisionTower, precision: str) -> None:
    tower.get_parameter("transformer.resblocks.1.mlp.c_fc.weight")[3, 4] = torch.nan
    with pytest.raises(ExportError, match=r"'transformer\.resblocks\.1\.mlp\.c_fc\.weight' holds a value that is not"):
        lowered(tower, case(precision), calibration(precision))


@pytest.mark.parametrize("precision", ["int8", "int8-static", "int4"])
def test_a_channel_of_zeros_stays_a_channel_of_zeros(tower: VisionTower, precision: str) -> None:
    for part in ("weight", "bias"):
        tower.get_parameter(f"transformer.resblocks.1.mlp.c_fc.{part}")[5] = 0
    assert loss_db(tower, precision) > (5 if precision == "int4" else 15)


def test_calibration_without_images_is_refused(tower: VisionTower, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="there are no images to do it on"):
        lowered(tower, case("int8-static"))
    with pytest.raises(LoadError, match="No image in"):
        export(case("int8-static"), "seed:7", tmp_path / "cache", tmp_path)


def test_only_a_calibrated_precision_has_calibration_images() -> None:
    assert {c.precision for c in MATRIX if calibration_images(c)} == {"int8-static"}


def test_a_precision_that_a_target_does_not_have_names_those_it_has(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'pte' is validated in fp32, fp16, int8, int8-static, int4, not in 'int2'"):
        claimed(tmp_path / "model.pte", NANO.name, "int2")


def test_the_projection_alone_escapes_static_quantisation(tower: VisionTower) -> None:
    graph = lowered(tower, case("int8-static"), calibration("int8-static"))
    assert isinstance(graph, fx.GraphModule)
    linear = [node for node in graph.graph.nodes if node.target is torch.ops.aten.linear.default]
    floating = [node.args[1].name for node in linear if node.args[1].op == "get_attr"]
    assert [name for name in floating if "mean" not in name] == ["encoder_projection_weight"]
