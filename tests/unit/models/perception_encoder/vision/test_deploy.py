"""The deployable rewrite is the tower, exactly."""

from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch.nn import functional as F
from towers import load_tower

from pe_validate.models.perception_encoder.vision.config import MODELS, ModelConfig
from pe_validate.models.perception_encoder.vision.deploy import Gelu, Standardize, Style, deploy
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.models.perception_encoder.vision.tower import VisionTower

STYLES: list[Style] = ["fused", "linear"]


def relative_error(tower: VisionTower, style: Style, size: int) -> float:
    image = torch.rand((1, 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1
    with torch.inference_mode():
        expected = tower(image)
        found = deploy(tower, style=style, image_size=size)(image)
    assert found.shape == expected.shape
    assert found.dtype == torch.float64
    return float((found - expected).norm() / expected.norm())


LARGE = ("PE-Core-L14-336", "PE-Spatial-B16-512")


@pytest.mark.parametrize("model", [pytest.param(m, marks=[pytest.mark.full] * (m in LARGE)) for m in MODELS])
def test_equals_the_tower_in_float64(model: str) -> None:
    tower = load_tower(model).double()
    for style in STYLES:
        assert relative_error(tower, style, tower.config.image_size) <= 1e-9, style


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    heads = draw(st.integers(1, 4))
    width = heads * 4 * draw(st.integers(1, 3))  # RoPE needs channel pairs for each of two axes
    patch = draw(st.integers(1, 4))
    pooled = draw(st.booleans())
    return ModelConfig(
        "drawn",
        image_size=patch * draw(st.integers(1, 5)),
        patch_size=patch,
        width=width,
        layers=draw(st.integers(0, 3)),
        heads=heads,
        mlp_ratio=draw(st.sampled_from([0.5, 1, 4])),
        class_token=draw(st.booleans()),
        pool_heads=draw(st.sampled_from([n for n in range(1, width + 1) if width % n == 0])) if pooled else None,
        ln_post=draw(st.booleans()),
        output_dim=draw(st.none() | st.integers(1, 9)),
        layer_scale=draw(st.booleans()),
    )


SMALLEST = ModelConfig("drawn", 1, 1, width=4, layers=0, heads=1, class_token=False, pool_heads=None, ln_post=False)


@settings(max_examples=200)
@given(config=configs(), style=st.sampled_from(STYLES), seed=st.integers(0, 99), grid=st.integers(1, 5))
@example(config=SMALLEST, style="linear", seed=0, grid=1)
@example(config=replace(SMALLEST, layers=1, ln_post=True, layer_scale=True), style="linear", seed=0, grid=2)
def test_equals_the_tower_for_every_shape_of_model(config: ModelConfig, style: Style, seed: int, grid: int) -> None:
    tower = VisionTower(config).double().eval()
    tower.load_state_dict(seeded(config, seed))
    assert relative_error(tower, style, grid * config.patch_size) <= 1e-9


@pytest.mark.parametrize("model", ["PE-Core-T16-384", "PE-Spatial-T16-512", "PE-Nano"])
def test_the_half_style_differs_by_its_gelu_alone(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tower = load_tower(model).double()
    assert 1e-9 < relative_error(tower, "half", tower.config.image_size) < 1e-4
    monkeypatch.setattr(Gelu, "forward", lambda self, x: F.gelu(x))
    assert relative_error(tower, "half", tower.config.image_size) <= 1e-9


def test_the_gelu_of_the_half_style_is_exact_to_a_tenth_of_a_float16_step() -> None:
    x = torch.linspace(-20, 20, 400_001, dtype=torch.float64)
    gelu = Gelu("half")
    assert float((gelu(x) - F.gelu(x)).abs().max()) < 2.7e-5
    assert float((gelu.half().double()(x) - F.gelu(x)).abs().max()) < 4.9e-5


def test_large_values_do_not_overflow_the_half_style() -> None:
    x = torch.randn((1, 192), generator=torch.Generator().manual_seed(0))
    x[0, 7] = 3_000
    norm = Standardize(192, "half", centred=True).half()
    uncentred = F.rms_norm(x, (192,), eps=1e-5)
    assert torch.allclose(norm(x.half()).float(), uncentred, rtol=2e-3, atol=1e-6)


@pytest.mark.parametrize("style", ["fused", "linear", "half"])
def test_leaves_the_tower_untouched(style: Style) -> None:
    tower = load_tower("PE-Core-T16-384")
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    with torch.no_grad():
        for tensor in deploy(tower, style=style).parameters():
            tensor.zero_()
    assert all(torch.equal(tensor, before[name]) for name, tensor in tower.state_dict().items())


def test_a_wrong_epsilon_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pe_validate.models.perception_encoder.vision.deploy.LAYER_NORM_EPS", 1e-6)
    tower = load_tower("PE-Core-T16-384").double()
    assert relative_error(tower, "linear", 384) > 1e-9
