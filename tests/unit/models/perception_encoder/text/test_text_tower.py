"""The text tower is Meta's model: same names, same numbers; and its rewrite is the tower."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from places import FIXTURES
from safetensors.numpy import load_file
from torch import Tensor

from pe_validate.models.perception_encoder.text.config import (
    END_OF_TEXT,
    NANO_TEXT,
    START_OF_TEXT,
    TEXT_CONFIGS,
    TextConfig,
)
from pe_validate.models.perception_encoder.text.deploy import deploy
from pe_validate.models.perception_encoder.text.synthetic import seeded
from pe_validate.models.perception_encoder.text.tower import TextTower, empty_text_tower
from pe_validate.models.perception_encoder.vision.deploy import STYLES, Style, with_erf
from pe_validate.models.registry import load_model, load_weights, model_named

REFERENCE = FIXTURES / "reference" / "text"
INDEX = json.loads((REFERENCE / "index.json").read_text())
LINES = json.loads((FIXTURES / "text" / "lines.json").read_text(encoding="utf-8"))

SMALL = TextConfig("small", width=64, heads=4, layers=2, output_dim=24, context=8)


@pytest.fixture(scope="module")
def small() -> TextTower:
    tower = empty_text_tower(SMALL)
    tower.load_state_dict(seeded(SMALL, 3), assign=True)
    return tower.eval().requires_grad_(False)


def ids(*words: int) -> Tensor:
    return torch.tensor([[START_OF_TEXT, *words, END_OF_TEXT, *[0] * (SMALL.context - 2 - len(words))]])


@pytest.mark.parametrize("model", [pytest.param(name, marks=[pytest.mark.full] * ("B16" in name)) for name in INDEX])
def test_equals_metas_own_code_in_float64(model: str) -> None:
    facts, name = INDEX[model], f"{model}-text"
    weights = load_weights(name, "seed:7")
    assert weights.sha256 == facts["weights_sha256"]
    assert len(weights.tensors) == facts["tensors"]
    assert sum(tensor.numel() for tensor in weights.tensors.values()) == facts["parameters"]
    expected = load_file(REFERENCE / f"{name}.safetensors")
    with torch.inference_mode():
        features = load_model(name, weights).double()(torch.from_numpy(expected["tokens"])).numpy()
    assert np.abs(features - expected["features"]).max() <= 1e-5 * expected["features"].std()


def test_every_published_vision_tower_of_pe_core_has_its_text_tower() -> None:
    published = {f"PE-Core-{size}-text" for size in ("T16-384", "S16-384", "B16-224", "L14-336")}
    assert set(TEXT_CONFIGS) == published | {NANO_TEXT.name}
    for name, facts in INDEX.items():
        config = TEXT_CONFIGS[f"{name}-text"]
        found = (config.context, config.width, config.heads, config.layers, config.output_dim)
        assert found == tuple(facts[key] for key in ("context_length", "width", "heads", "layers", "output_dim"))


def test_it_is_validated_on_the_lines_of_the_reference() -> None:
    tokens = load_file(REFERENCE / "PE-Core-S16-384-text.safetensors")["tokens"]
    assert list(LINES) == json.loads((REFERENCE / "lines.json").read_text(encoding="utf-8"))
    samples = model_named("PE-Core-S16-384-text").feed.samples()
    np.testing.assert_array_equal(np.concatenate([sample.values[0] for sample in samples]), tokens)
    assert len({sample.name for sample in samples}) == len(samples)


def test_a_token_does_not_see_what_comes_after_it(small: TextTower) -> None:
    first, other = ids(5, 6, 7), ids(5, 6, 7)
    other[0, -1] = 9  # behind the end of the text
    assert torch.equal(small(first), small(other))
    assert not torch.allclose(small(ids(5, 6, 7)), small(ids(5, 6, 8)))


def test_the_first_of_several_ends_is_read(small: TextTower) -> None:
    twice = ids(5, 6)
    twice[0, 5:] = END_OF_TEXT
    torch.testing.assert_close(small(twice), small(ids(5, 6)))


@pytest.mark.parametrize("dtype", [torch.int32, torch.int64])
def test_a_batch_with_texts_of_several_lengths_is_each_of_them(small: TextTower, dtype: torch.dtype) -> None:
    texts = [ids(), ids(5), ids(1, 2, 3, 4, 5, 6)]
    together = small(torch.cat(texts).to(dtype))
    torch.testing.assert_close(together, torch.cat([small(text) for text in texts]))


@pytest.mark.parametrize("style", STYLES)
def test_the_rewrite_is_the_tower(small: TextTower, style: Style) -> None:
    tower = TextTower(SMALL)
    tower.load_state_dict(small.state_dict())
    tower.double()
    rewrite = with_erf(deploy(tower, style=style))
    for text in (ids(), ids(5, 6), ids(1, 2, 3, 4, 5, 6)):
        difference = (rewrite(text) - tower(text)).abs().max()
        assert difference <= 1e-11 * tower(text).abs().max()


def test_a_clip_checkpoint_gives_both_towers_and_says_its_logit_scale(tmp_path: Path) -> None:
    text, vision = (dict(load_weights(name, "seed:5").tensors) for name in ("PE-Core-T16-384-text", "PE-Core-T16-384"))
    clip = text | {f"visual.{name}": tensor for name, tensor in vision.items()}
    torch.save({"state_dict": clip | {"logit_scale": torch.tensor(4.6052)}}, tmp_path / "clip.pt")
    found = load_weights("PE-Core-T16-384-text", f"file:{tmp_path / 'clip.pt'}")
    assert found.sha256 == load_weights("PE-Core-T16-384-text", "seed:5").sha256
    notes = " ".join(found.notes)
    assert "Weights are the tensors under 'state_dict'." in notes
    assert "Left alone: visual." in notes
    assert "logit_scale is 4.6052." in notes
    seen = load_weights("PE-Core-T16-384", f"file:{tmp_path / 'clip.pt'}")
    assert seen.sha256 == load_weights("PE-Core-T16-384", "seed:5").sha256
    assert "token_embedding.weight" in " ".join(seen.notes)
