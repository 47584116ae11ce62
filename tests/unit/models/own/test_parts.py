"""A Perception Encoder inside a user's module, and its variations by name, are rewritten as the built-in ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from pe_validate.case import select
from pe_validate.data.recipe import FUSED, HALF, LINEAR
from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.own.config import VARIABLE, read_configuration
from pe_validate.models.own.model import models_of
from pe_validate.models.own.parts import with_parts_deployed
from pe_validate.models.registry import load_model, load_weights
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.walk.walk import validate


class Headed(nn.Module):
    """A tower, normalised, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.tower, self.head = load_model("PE-Nano"), nn.Linear(64, 5)

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.head(nn.functional.normalize(self.tower(image), dim=-1))
        return found


class Two(nn.Module):
    """Two towers, one of them at another image size."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = load_model("PE-Nano"), load_model("PE-Nano", "seed:8")

    def forward(self, image: Tensor) -> Tensor:
        left: Tensor = self.left(image)
        return torch.cat([left, self.right(image[..., ::2, ::2])], dim=-1)


def variation(folder: Path, text: str, base: str = "PE-Nano") -> Model:
    file = folder / "pe-validate.toml"
    file.write_text(f'[models.mine]\nbase = "{base}"\n{text}\n')
    return models_of(file, read_configuration(file))["mine"]


@pytest.mark.parametrize("form", [FUSED, LINEAR, HALF])
@pytest.mark.parametrize(
    ("module", "shape"), [(Headed, (1, 3, 64, 64)), (Headed, (2, 3, 96, 96)), (Two, (1, 3, 64, 64))]
)
def test_towers_inside_a_module_are_rewritten_exactly(
    module: type[nn.Module], shape: tuple[int, ...], form: str
) -> None:
    own, image = module().eval(), torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = with_parts_deployed(own, form, (image,))
    assert found is not None
    assert not any(isinstance(part, nn.LayerNorm) for part in found.modules())
    torch.testing.assert_close(found(image), own(image), atol=1e-5, rtol=0)
    assert any(isinstance(part, nn.LayerNorm) for part in own.modules()), "the module itself stays as it is"


def test_a_module_without_such_parts_is_left_to_the_generic_rewrites() -> None:
    assert with_parts_deployed(nn.Flatten(), FUSED, (torch.zeros(1, 3, 8, 8),)) is None


def test_a_part_that_is_not_equal_in_its_form_is_not_taken() -> None:
    class Wrong(nn.Linear):
        def deployed(self, form: str, image: Tensor) -> nn.Module:
            return nn.Identity()

    assert with_parts_deployed(Wrong(4, 4), FUSED, (torch.ones(1, 4),)) is None


def test_a_tower_with_a_head_is_one_delegate_call_under_xnnpack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    model = Model.from_module(Headed().eval(), torch.randn(1, 3, 64, 64), name="headed")
    result = validate(model, "pte/fp32")
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts if verdict.status != "pass"]
    assert result.artifact
    assert result.artifact.delegation
    assert result.artifact.delegation.delegate_calls == 1


def test_another_image_size_and_batch_are_those_of_the_tower_itself(tmp_path: Path) -> None:
    model = variation(tmp_path, "image_size = 96\nbatch = 2\nnormalise = true")
    module = model.load(model.load_weights("seed:7"))
    image = torch.from_numpy(model.feed.crops(1, 0)[0].image)
    assert image.shape == model.inputs[0].shape == (2, 3, 96, 96)
    expected = nn.functional.normalize(load_model("PE-Nano")(image), dim=-1)
    torch.testing.assert_close(module(image), expected)


def test_a_batch_of_texts_of_different_lengths_is_rewritten_exactly(tmp_path: Path) -> None:
    model = variation(tmp_path, "batch = 3\nnormalise = true", base="PE-Nano-text")
    module = model.load(model.load_weights("seed:7"))
    tokens = torch.from_numpy(model.feed.samples()[0].values[0])
    assert tokens.shape == model.inputs[0].shape == (3, 32)
    assert len({int((row > 0).sum()) for row in tokens}) > 1, "texts of one length"
    single = load_model("PE-Nano-text")
    expected = nn.functional.normalize(torch.cat([single(row[None]) for row in tokens]), dim=-1)
    torch.testing.assert_close(module(tokens), expected)
    for form in (FUSED, LINEAR):
        found = with_parts_deployed(module, form, (tokens,))
        assert found is not None
        assert not any(isinstance(part, nn.LayerNorm) for part in found.modules())
        torch.testing.assert_close(found(tokens), expected, atol=1e-5, rtol=0)


def test_a_batch_of_texts_is_one_delegate_call_under_xnnpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variation(tmp_path, 'batch = 2\ntargets = ["pte/fp32"]', base="PE-Nano-text")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "pe-validate.toml"))
    result = validate(select(["mine/pte/fp32"])[0])
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts if verdict.status != "pass"]
    assert result.artifact
    assert result.artifact.delegation
    assert result.artifact.delegation.delegate_calls == 1


@pytest.mark.parametrize("text", ["image_size = 96", "layer = 2"])
def test_a_text_tower_has_no_image_size_and_no_tokens_of_a_layer(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=f"PE-Nano-text .* '{text.split()[0]}'"):
        variation(tmp_path, text, base="PE-Nano-text").load_weights("seed:7")


def test_positions_of_a_checkpoint_of_that_image_size_are_taken_as_they_are(tmp_path: Path) -> None:
    positions = torch.randn(12 * 12 + 1, 128, generator=torch.Generator().manual_seed(0))
    tensors = {**load_weights("PE-Nano").tensors, "positional_embedding": positions}
    torch.save(tensors, tmp_path / "large.pt")
    model = variation(tmp_path, 'image_size = 96\nweights = "large.pt"')
    weights = model.load_weights(DEFAULT_WEIGHTS)
    assert weights.notes == ()
    assert any(torch.equal(tensor, positions) for tensor in model.load(weights).state_dict().values())


def test_features_of_a_layer_are_the_tokens_there(tmp_path: Path) -> None:
    model = variation(tmp_path, "layer = 1")
    module = model.load(model.load_weights("seed:7"))
    image = torch.from_numpy(model.feed.crops(1, 0)[0].image)
    tower, seen = cast(Any, load_model("PE-Nano")), []
    tower.transformer.resblocks[0].register_forward_hook(lambda _, given, found: seen.append(found))
    tower(image)
    torch.testing.assert_close(module(image), seen[0])
    with pytest.raises(UsageError, match="PE-Nano has layers 1 to 6, and no layer 9"):
        variation(tmp_path, "layer = 9").load_weights("seed:7")


def test_a_head_of_a_checkpoint_reads_the_features(tmp_path: Path) -> None:
    head = nn.Linear(64, 3)
    torch.save({f"head.{name}": tensor for name, tensor in head.state_dict().items()}, tmp_path / "head.pt")
    model = variation(tmp_path, 'head = "head.pt"')
    module = model.load(model.load_weights("seed:7"))
    image = torch.from_numpy(model.feed.crops(1, 0)[0].image)
    torch.testing.assert_close(module(image), head(load_model("PE-Nano")(image)))
    torch.save({"other": torch.zeros(2)}, tmp_path / "head.pt")
    with pytest.raises(LoadError, match="is no linear head of mine: it holds 0 matrices"):
        variation(tmp_path, 'head = "head.pt"').load_weights("seed:7")


def test_other_weights_of_the_base_are_other_weights_of_the_variation(tmp_path: Path) -> None:
    model = variation(tmp_path, "normalise = true")
    assert model.load_weights("seed:7").sha256 != model.load_weights("trained").sha256


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('module = "a.py:b"', "give one of 'module', 'program' and 'base'"),
        ("[models.mine.inputs.image]\nshape = [1]", "'inputs' are given of a module or a program"),
    ],
)
def test_what_makes_no_variation_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        variation(tmp_path, text)


def test_only_a_variation_has_an_image_size(tmp_path: Path) -> None:
    file = tmp_path / "pe-validate.toml"
    file.write_text('[models.m]\nmodule = "a.py:b"\nimage_size = 9\n[models.m.inputs.x]\nshape = [1]\n')
    with pytest.raises(UsageError, match="'image_size' is of a variation: name what it varies by 'base'"):
        read_configuration(file)


def test_a_base_that_there_is_not_is_named(tmp_path: Path) -> None:
    file = tmp_path / "pe-validate.toml"
    file.write_text('[models.m]\nbase = "PE-Nono"\n')
    with pytest.raises(UsageError, match="m varies 'PE-Nono': choose one of PE-Core-T16-384"):
        models_of(file, read_configuration(file))
