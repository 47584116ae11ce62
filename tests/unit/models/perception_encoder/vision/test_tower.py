"""The tower is Meta's model: same names, same numbers."""

import hashlib
import json

import numpy as np
import pytest
import torch
from places import FIXTURES
from safetensors.numpy import load_file
from towers import load_tower

from pe_validate.models.perception_encoder.vision.config import MODELS, NANO
from pe_validate.models.perception_encoder.vision.tower import position_table, rope_angles
from pe_validate.models.registry import load_model, load_weights

REFERENCE = FIXTURES / "reference"
INDEX = json.loads((REFERENCE / "index.json").read_text())


PUBLISHED = [model for model in MODELS if model != NANO.name]


@pytest.mark.parametrize("model", PUBLISHED)
def test_equals_metas_own_code_in_float64(model: str) -> None:
    facts, config = INDEX[model], MODELS[model]
    weights = load_weights(model, "seed:7")
    assert weights.sha256 == facts["weights_sha256"]
    assert len(weights.tensors) == facts["tensors"]
    assert sum(tensor.numel() for tensor in weights.tensors.values()) == facts["parameters"]

    image = np.random.RandomState(7).uniform(-1, 1, config.input_shape).astype(np.float32)
    assert hashlib.sha256(image.tobytes()).hexdigest() == facts["image_sha256"]

    expected = load_file(REFERENCE / f"{model}.safetensors")["features"]
    with torch.inference_mode():
        features = load_model(model, weights).double()(torch.from_numpy(image).double()).numpy()
    assert features.shape == expected.shape == config.output_shape
    assert np.abs(features - expected).max() <= 1e-5 * expected.std()


def test_every_model_has_a_reference() -> None:
    assert set(INDEX) == set(PUBLISHED)


def test_rope_leaves_the_class_token_alone_and_counts_patches_from_one() -> None:
    config = MODELS["PE-Core-T16-384"]
    angles = rope_angles(config, (2, 3))
    assert angles.shape == (7, config.head_dim // 2)
    assert (angles[0] == 0).all()
    assert angles[1, 0] == 1  # first patch, column 1, the fastest frequency of x
    assert angles[3, 0] == 3  # last patch of the first row
    assert angles[4, 16] == 2  # first patch of the second row, the fastest frequency of y


def test_positions_are_resampled_bilinearly_when_the_image_is_not_the_trained_size() -> None:
    config = MODELS["PE-Core-T16-384"]
    row = torch.arange(config.grid, dtype=torch.float64)
    ramp = (row[:, None] * 100 + row[None, :]).flatten()[:, None].expand(-1, config.width)
    table = torch.cat([torch.full((1, config.width), -7.0, dtype=torch.float64), ramp])

    half = position_table(config, table, (12, 12))

    assert (half[0] == -7).all(), "the class token has no place on the grid"
    # Each new cell sits in the middle of four old ones, and a ramp averages to its middle.
    middle = 2 * torch.arange(12, dtype=torch.float64) + 0.5
    assert torch.allclose(half[1:, 0], (middle[:, None] * 100 + middle[None, :]).flatten())


def test_another_image_size_runs() -> None:
    tower = load_tower("PE-Core-T16-384")
    with torch.inference_mode():
        assert tower(torch.zeros(2, 3, 64, 96)).shape == (2, 512)
