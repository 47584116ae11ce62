"""The outlier family is hard in the documented ways, and is the same everywhere."""

from __future__ import annotations

import pytest
import torch

from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.perception_encoder.vision.outliers import CHANNELS, GAIN, UNITS
from pe_validate.models.registry import load_weights
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.system.errors import UsageError

MODEL = "PE-Core-T16-384"
CONFIG = MODELS[MODEL]
BLOCK = "transformer.resblocks.4"


@pytest.fixture(scope="module")
def hard() -> dict[str, torch.Tensor]:
    return dict(load_weights(MODEL, "seed:3+outliers").tensors)


@pytest.fixture(scope="module")
def gaussian() -> dict[str, torch.Tensor]:
    return seeded(CONFIG, 3)


def kurtosis(x: torch.Tensor) -> float:
    z = (x - x.mean()) / x.std()
    return float((z**4).mean())


def test_projections_have_heavy_tails_and_the_variance_of_gaussian_ones(
    hard: dict[str, torch.Tensor], gaussian: dict[str, torch.Tensor]
) -> None:
    name = f"{BLOCK}.attn.in_proj_weight"
    assert 2.9 < kurtosis(gaussian[name]) < 3.1
    assert kurtosis(hard[name]) > 5
    assert float(hard[name].std() / gaussian[name].std()) == pytest.approx(1, abs=0.03)


def test_a_few_hidden_units_have_gains_of_20_to_100(hard: dict[str, torch.Tensor]) -> None:
    lengths = hard[f"{BLOCK}.mlp.c_fc.weight"].norm(dim=1).sort(descending=True).values
    assert lengths[UNITS - 1] > 10
    assert lengths[0] < 2 * GAIN[1]
    assert lengths[UNITS] < 2


def test_they_write_to_the_same_few_channels_in_every_block(hard: dict[str, torch.Tensor]) -> None:
    written = set()
    for layer in range(CONFIG.layers):
        block = f"transformer.resblocks.{layer}.mlp"
        units = hard[f"{block}.c_fc.weight"].norm(dim=1).topk(UNITS).indices
        written.add(frozenset((hard[f"{block}.c_proj.weight"][:, units].abs() == 1 / UNITS).nonzero()[:, 0].tolist()))
    assert len(written) == 1
    assert len(written.pop()) == CHANNELS


def test_everything_else_is_the_gaussian_family(
    hard: dict[str, torch.Tensor], gaussian: dict[str, torch.Tensor]
) -> None:
    changed = {name for name in hard if not torch.equal(hard[name], gaussian[name])}
    assert {name.partition("resblocks.")[0] for name in changed} == {"transformer."}
    assert {name.split(".", 3)[3] for name in changed} == {
        *("attn.in_proj_weight", "attn.out_proj.weight"),
        *("mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight"),
    }


def test_the_family_is_frozen() -> None:
    first, second = (load_weights(MODEL, spec).tensors for spec in ("seed:7+outliers", "seed:8+outliers"))
    mlp = "transformer.resblocks.0.mlp"
    assert float(first[f"{mlp}.c_fc.weight"][0, 0]) == pytest.approx(0.01910016, rel=1e-6)
    assert float(first[f"{mlp}.c_fc.bias"].min()) == pytest.approx(-85.661507, rel=1e-6)
    assert not torch.equal(first[f"{mlp}.c_fc.weight"], second[f"{mlp}.c_fc.weight"])


@pytest.mark.parametrize("spec", ["seed:7+", "seed:7+outlier", "seed:+outliers", "seed:7 +outliers"])
def test_nothing_else_is_understood(spec: str) -> None:
    with pytest.raises(UsageError, match="are not 'seed:N'"):
        load_weights(MODEL, spec)
