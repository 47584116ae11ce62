"""Configuration files say which models there are, and what is not understood is one sentence with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import pe_validate
from own_models import CONFIGURATION, project

from pe_validate.case import default_cases, select
from pe_validate.inputs.feed import ArrayFeed, ImageFeed
from pe_validate.inputs.preprocessing import PREPROCESSINGS
from pe_validate.models.own.config import VARIABLE, configuration_files, read_configuration
from pe_validate.models.own.model import OwnModel
from pe_validate.models.registry import model_named
from pe_validate.system.errors import UsageError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return project(tmp_path)


def test_its_models_are_cases_like_the_built_in_ones_and_the_default(here: Path) -> None:
    assert list(map(str, select(["mine"]))) == ["mine/onnx/fp32", "mine/mlpackage/fp16"]
    assert default_cases() == select(["mine"])
    assert "PE-Nano/onnx/fp32" in set(map(str, select(["*"])))


def test_it_is_found_from_every_folder_below(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "src" / "deep").mkdir(parents=True)
    monkeypatch.chdir(here / "src" / "deep")
    assert configuration_files() == (here / "pe-validate.toml",)
    assert select(["mine/onnx"])


def test_the_same_tables_are_read_from_pyproject(here: Path) -> None:
    (here / "pe-validate.toml").unlink()
    (here / "pyproject.toml").write_text(CONFIGURATION.replace("[models", "[tool.pe-validate.models"))
    assert read_configuration(here / "pyproject.toml").keys() == {"mine"}
    assert select(["mine"])


def test_a_pyproject_that_says_nothing_is_passed_by(here: Path, tmp_path: Path) -> None:
    (here / "pyproject.toml").write_text("[project]\nname = 'a'\n")
    assert configuration_files() == (here / "pe-validate.toml",)


def test_the_environment_names_further_files(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more").mkdir()
    file = tmp_path / "more" / "other.toml"
    file.write_text(CONFIGURATION.replace("mine", "theirs"))
    monkeypatch.setenv(VARIABLE, str(file))
    assert select(["mine"])
    assert select(["theirs"])


def test_listing_them_runs_none_of_their_code(here: Path) -> None:
    (here / "network.py").write_text("raise SystemExit('it was run')")
    listed = pe_validate("list", "mine", "--json", folder=here)
    assert [each["case"] for each in json.loads(listed.stdout)] == ["mine/onnx/fp32", "mine/mlpackage/fp16"]


def test_a_model_without_targets_is_every_case_and_by_default_the_recommended_ones(here: Path) -> None:
    project(
        here, CONFIGURATION.replace('targets = ["onnx/fp32", "mlpackage/fp16"]', "licence = 'MIT'").replace("mine", "a")
    )
    every, default = set(map(str, select(["a"]))), set(map(str, default_cases()))
    assert {"a/pte/int8", "a/pt2/fp32"} <= every
    assert {"a/onnx/fp32", "a/pte/int8", "a/mlpackage/fp16"} <= default < every


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('module = "network.py:build"', "", "models.mine: give one of 'module', 'program' and 'base'"),
        (
            "shape = [1, 3, 32, 32]",
            "shape = [1, 0]",
            r"inputs.pixels.shape.1: .*greater than or equal to 1",
        ),
        ('preprocessing = "imagenet"', 'preprocessing = "resnet"', "'resnet' is none of pe, imagenet, clip"),
        ("shape =", "dtype = 'complex64'\nshape =", "dtype: Input should be 'float32'"),
        ("shape =", "range = [0, 9]\nshape =", r"a range is the least and the largest integer of an input"),
        ("targets =", "target =", "models.mine.target: Extra inputs are not permitted"),
        ("targets =", "contract = 'upwards'\ntargets =", "contract: 'upwards' is no word of a contract: its words are"),
        ("[models.mine]", "[models.mine", "TOML: Expected"),
        (
            "targets =",
            "limits = {pte.loss = {max_rel = 1, snr_db = 3, cosine = 1}}\ntargets =",
            "reason: Field required",
        ),
    ],
)
def test_what_is_not_understood_is_named_with_its_place(here: Path, old: str, new: str, said: str) -> None:
    project(here, CONFIGURATION.replace(old, new))
    with pytest.raises(UsageError, match=rf"'.*pe-validate\.toml' is not .*{said}"):
        select(["mine"])


def test_a_target_that_there_is_not_is_named(here: Path) -> None:
    project(here, CONFIGURATION.replace("onnx/fp32", "onnx/fp64"))
    with pytest.raises(
        UsageError, match="mine is to be validated as 'onnx/fp64', which is none of onnx/fp32, pte/fp32"
    ):
        select(["mine"])


def test_a_name_of_a_built_in_model_is_refused(here: Path) -> None:
    project(here, CONFIGURATION.replace("models.mine", "models.PE-Nano"))
    with pytest.raises(UsageError, match="names a second model 'PE-Nano'"):
        select(["*"])


@pytest.mark.parametrize(
    ("shape", "feed"),
    [
        ([1, 3, 24, 40], ImageFeed(24, 40, preprocessing=PREPROCESSINGS["imagenet"])),
        ([2, 24, 24, 3], ImageFeed(24, batch=2, channels_last=True, preprocessing=PREPROCESSINGS["imagenet"])),
        ([1, 1, 24, 40], ImageFeed(24, 40, preprocessing=PREPROCESSINGS["imagenet"], grey=True)),
    ],
)
def test_images_are_fed_in_the_shape_and_with_the_preprocessing_that_are_declared(
    here: Path, shape: list[int], feed: ImageFeed
) -> None:
    project(here, CONFIGURATION.replace("[1, 3, 32, 32]", str(shape)))
    model = model_named("mine")
    assert isinstance(model, OwnModel)
    assert model.feed == feed
    for samples in (model.feed.samples(), model.feed.crops(3, 0), model.feed.extremes()):
        assert {sample.image.shape for sample in samples} == {tuple(shape)}
    low, high = model.feed.extremes()
    assert low.image.min() == pytest.approx(-0.485 / 0.229)
    assert high.image.max() == pytest.approx((1 - 0.485) / 0.229 if feed.grey else (1 - 0.406) / 0.225)


def test_anything_else_is_fed_with_noise_that_a_seed_repeats(here: Path) -> None:
    project(here, CONFIGURATION.replace("[1, 3, 32, 32]", "[2, 7]").replace('preprocessing = "imagenet"', ""))
    feed = model_named("mine").feed
    assert feed == ArrayFeed((2, 7))
    first, again = feed.crops(2, 5), feed.crops(2, 5)
    assert all((a.image == b.image).all() for a, b in zip(first, again, strict=True))
    assert len({sample.name for sample in feed.samples()}) == len(feed.samples())


def test_a_preprocessing_of_what_is_no_image_is_refused(here: Path) -> None:
    project(here, CONFIGURATION.replace("[1, 3, 32, 32]", "[2, 7]"))
    with pytest.raises(UsageError, match=r"takes \[2, 7\], which is no batch of RGB or grey images"):
        model_named("mine")
