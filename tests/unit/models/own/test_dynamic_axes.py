"""Axes of any length: files declare them, and are judged at the usual length, the least and the largest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pe_validate.case import select
from pe_validate.data.structure import Structure
from pe_validate.models.base import Model
from pe_validate.models.own.config import VARIABLE
from pe_validate.reference.reference import reference
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.targets.base import Example
from pe_validate.targets.registry import target_named
from pe_validate.walk.check import Claim, check
from pe_validate.walk.walk import validate

Lengths = Mapping[str, Mapping[int, tuple[int, int]]]


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")


class Pooled(nn.Module):
    """Takes any number of images of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5)

    def forward(self, photo: Tensor) -> Tensor:
        features: Tensor = self.head(nn.functional.gelu(self.stem(photo)).mean((2, 3)))
        return features


class Masked(nn.Module):
    """Takes any number of words, and says which of them count."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)

    def forward(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        found = self.words(ids) * mask[..., None]
        return {"each": found, "mean": found.sum(1)}


IMAGES: Lengths = {"photo": {0: (1, 4), 2: (16, 64), 3: (16, 64)}}
WORDS: Lengths = {"ids": {1: (1, 12)}, "mask": {1: (1, 12)}}


def images(dynamic: Lengths) -> Model:
    torch.manual_seed(0)
    return Model.from_module(Pooled(), torch.randn(1, 3, 32, 32), name="pooled", dynamic=dynamic)


@pytest.mark.parametrize("kind", ["onnx/fp32", "pt2/fp32"])
def test_images_in_any_number_and_of_any_size(kind: str) -> None:
    result = validate(images(IMAGES), kind)
    assert result.status == "pass", result.sentences
    assert result.artifact
    assert [each.shape for each in result.artifact.inputs] == [(-1, 3, -1, -1)]
    assert [each.shape for each in result.artifact.outputs] == [(-1, 5)]
    loss = result.verdict("loss")
    assert loss
    assert {"usual", "1×3×16×16", "4×3×64×64"} == {
        name.partition(" at ")[2] or "usual" for name in loss.comparisons or ()
    }


@pytest.mark.parametrize("kind", ["onnx/fp32", "pt2/fp32"])
def test_several_inputs_that_are_as_long_as_one_another(kind: str) -> None:
    torch.manual_seed(0)
    example = {"ids": torch.randint(50, (1, 6)), "mask": torch.ones(1, 6)}
    model = Model.from_module(Masked(), example, name="masked", dynamic=WORDS)
    result = validate(model, kind)
    assert result.status == "pass", result.sentences
    assert result.artifact
    assert [each.shape for each in result.artifact.outputs] == [(1, -1, 8), (1, 8)]


def test_targets_whose_files_have_fixed_lengths_are_no_cases() -> None:
    images(IMAGES)
    assert set(map(str, select(["pooled"]))) == {"pooled/onnx/fp32", "pooled/pt2/fp32"}
    Model.from_module(Pooled(), torch.randn(1, 3, 32, 32), name="phone", targets=("pte",), dynamic=IMAGES)
    with pytest.raises(UsageError, match=r"as 'pte', which is none of onnx/fp32, .*the targets for axes of any length"):
        select(["phone"])


def test_a_model_that_has_a_fixed_length_is_told_so() -> None:
    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(4, 3)

    with pytest.raises(LoadError, match=r"cannot be captured by torch\.export"):
        Model.from_module(Fixed(), torch.randn(4, 3), name="fixed", dynamic={"x": {0: (2, 8)}})


def test_an_input_that_there_is_not_is_named() -> None:
    with pytest.raises(UsageError, match="pooled has no input 'image', only photo"):
        images({"image": {0: (1, 4)}})


@pytest.mark.parametrize(("axis", "ends"), [(4, (1, 4)), (0, (2, 4)), (0, (1, 1))])
def test_lengths_that_cannot_be_are_refused(axis: int, ends: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"axis {axis} of .* cannot have lengths from {ends[0]} to {ends[1]}"):
        images({"photo": {axis: ends}})


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")  # of the exporter of torch 2.13
def test_a_file_that_takes_any_size_is_judged_at_that_of_a_model_with_one(tmp_path: Path) -> None:
    images({})
    (case,) = select(["pooled/onnx"])
    module = reference("pooled").module
    shapes = ({0: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC},)
    example = Example({"photo": torch.zeros(2, 3, 32, 32)}, ("features",), shapes)
    target_named("onnx").write(module, example, tmp_path / "any.onnx", {"model": "pooled"}, "fp32")
    result = check(Claim(tmp_path / "any.onnx", case, Structure()), reference("pooled"))
    assert result.status == "pass", result.sentences
    assert result.verdict("batch")
