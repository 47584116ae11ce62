"""Both routes to Core ML take the tower and its rewrite, and each workaround is for something that is still broken.

A test that says "without its workaround" turns red when coremltools, torch or numpy fix the fault:
remove the workaround then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.data.compare import compare
from pe_validate.mil import load
from pe_validate.mil.inspection import inspect
from pe_validate.models.perception_encoder.vision.config import NANO
from pe_validate.models.perception_encoder.vision.deploy import deploy
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.base import Example
from pe_validate.targets.coreml.routes import (
    ROUTES,
    PrescaledAttention,
    Route,
    alias_as_detach,
    captured,
    casts_of_one_element,
    convert,
    scalar_bias_unfused,
)

SMALL = replace(NANO, layers=2)
IMAGE = torch.rand(SMALL.input_shape, generator=torch.Generator().manual_seed(1)) * 2 - 1

pytestmark = pytest.mark.filterwarnings("ignore")  # coremltools 9.0 warns of its own dependencies


@pytest.fixture(scope="module")
def tower() -> VisionTower:
    model = VisionTower(SMALL).eval().requires_grad_(False)
    model.load_state_dict(seeded(SMALL, 7))
    return model


FORMS: dict[str, Callable[[VisionTower], nn.Module]] = {
    "tower": lambda tower: tower,
    "rewrite": lambda tower: deploy(tower, style="fused"),
    "rewrite for XNNPACK": lambda tower: deploy(tower, style="linear"),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("form", FORMS)
def test_both_routes_take_the_tower_and_its_rewrite(
    tower: VisionTower, form: str, route: Route, tmp_path: Path
) -> None:
    path = tmp_path / "model.mlpackage"
    convert(FORMS[form](tower), Example.of(IMAGE), route=route, half=False).save(str(path))
    found = load(path).predict({"image": IMAGE.numpy()})["features"]
    assert compare(tower(IMAGE).numpy(), found).snr_db > 107


@pytest.mark.parametrize("route", ROUTES)
def test_every_attention_of_the_tower_stays_whole_on_ios_18(tower: VisionTower, route: Route, tmp_path: Path) -> None:
    path = tmp_path / "model.mlpackage"
    convert(tower, Example.of(IMAGE), route=route, ios=18).save(str(path))
    assert inspect(path).operators["scaled_dot_product_attention"] == SMALL.layers + 1


def plain(program: Any, ios: int = 17, **options: Any) -> Any:
    """What coremltools makes of it without help."""
    with quiet_libraries():
        import coremltools as ct

        target = ct.target[f"iOS{ios}"]
        return ct.convert(
            program, convert_to="mlprogram", minimum_deployment_target=target, skip_model_load=True, **options
        )


def traced(module: nn.Module, x: Tensor) -> dict[str, Any]:
    """A traced program, and the input that coremltools then has to be told of."""
    with quiet_libraries():
        import coremltools as ct

    return {"program": captured(module, (x,), "trace"), "inputs": [ct.TensorType(name="x", shape=tuple(x.shape))]}


class Detached(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.exp().detach() + 1


def test_without_its_workaround_an_alias_is_unknown() -> None:
    program = torch.export.export(Detached(), (torch.rand(2, 4),)).run_decompositions()
    assert "aten.alias.default" in {str(node.target) for node in program.graph.nodes}
    with pytest.raises(NotImplementedError, match="alias"):
        plain(program)
    with alias_as_detach():
        assert plain(program)
    with pytest.raises(NotImplementedError, match="alias"):
        plain(program)


class Halved(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0] * x.shape[1], -1)


def test_without_its_workaround_a_shape_cannot_be_cast() -> None:
    program = traced(Halved(), torch.rand(2, 3, 4))
    with pytest.raises(TypeError, match="only 0-dimensional arrays can be converted"):
        plain(**program)
    with casts_of_one_element():
        assert plain(**program)
    with pytest.raises(TypeError, match="only 0-dimensional arrays can be converted"):
        plain(**program)


class OneColumn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean: Tensor = self.mean(x)
        return mean + 1e-5


def test_without_its_workaround_a_scalar_after_one_column_is_taken_for_a_vector() -> None:
    program = traced(OneColumn().eval().requires_grad_(False), torch.rand(2, 4))
    with pytest.raises(IndexError, match="tuple index out of range"):
        plain(**program)
    with scalar_bias_unfused():
        assert plain(**program)
    with pytest.raises(IndexError, match="tuple index out of range"):
        plain(**program)


class Scaled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(x, x * 2, x * 3, scale=0.3)


@pytest.mark.parametrize("route", ROUTES)
def test_without_its_workaround_attention_with_a_scale_falls_apart(route: Route, tmp_path: Path) -> None:
    x, path = torch.rand(1, 2, 8, 4), tmp_path / "model.mlpackage"
    options = {"inputs": traced(Scaled(), x)["inputs"]} if route == "trace" else {}
    plain(captured(Scaled(), (x,), route), 18, **options).save(str(path))
    assert "scaled_dot_product_attention" not in inspect(path).operators
    with PrescaledAttention():
        program = captured(Scaled(), (x,), route)
    plain(program, 18, **options).save(str(path))
    assert inspect(path).operators["scaled_dot_product_attention"] == 1
    (found,) = load(path).predict({"x": x.numpy()}).values()
    assert compare(Scaled()(x).numpy(), found).snr_db > 50
