"""What is said of a package is what was put into it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import pytest
import torch
from mil_networks import Quiet, save
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.mil import load
from pe_validate.mil.inspection import PackageInspection, inspect
from pe_validate.system.errors import RunError


class Products(nn.Module):
    """Each kind of product once, of sizes that no two share."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 6, 3, groups=2)
        self.up = nn.ConvTranspose2d(6, 5, 2, stride=2)
        self.linear = nn.Linear(7, 11)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(self.conv(x))  # [1, 4, 9, 9] → [1, 6, 7, 7] → [1, 5, 14, 14]
        y = self.linear(y.reshape(1, 5, 28, 7))  # [1, 5, 28, 11]
        product: Tensor = F.scaled_dot_product_attention(y, y, y) @ y.transpose(-1, -2)  # [1, 5, 28, 28]
        return product


CONV, UP, LINEAR = 6 * 7 * 7 * 2 * 9, 6 * 7 * 7 * 5 * 4, 5 * 28 * 11 * 7
ATTENTION, MATMUL = 5 * 28 * 28 * 22, 5 * 28 * 28 * 11


@pytest.fixture(scope="module")
def packages(ct: Any, quiet: Quiet, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("inspected")
    torch.manual_seed(0)
    x = torch.randn(1, 4, 9, 9)
    with quiet():
        return {
            target: save(ct, Products().eval(), x, folder / f"{target}.mlpackage", target)
            for target in ("iOS17", "iOS18")
        }


def test_multiply_accumulates_are_those_of_the_formulas(packages: dict[str, Path]) -> None:
    assert inspect(packages["iOS18"]).macs == {
        "scaled_dot_product_attention": ATTENTION,
        "matmul": MATMUL,
        "conv": CONV,
        "linear": LINEAR,
        "conv_transpose": UP,
    }


def test_attention_in_parts_costs_the_same(packages: dict[str, Path]) -> None:
    found = inspect(packages["iOS17"]).macs
    assert found["matmul"] == ATTENTION + MATMUL
    assert sum(found.values()) == sum(inspect(packages["iOS18"]).macs.values())


def test_interface_opset_and_operators_are_told(packages: dict[str, Path]) -> None:
    found = inspect(packages["iOS18"])
    assert (found.opset, found.specification_version, found.functions) == ("iOS 18", 9, ("main",))
    assert found.inputs == ("x: float32[1, 4, 9, 9]",)
    assert found.outputs == ("y: float32[1, 5, 28, 28]",)
    assert found.operators["conv"] == found.operators["conv_transpose"] == found.operators["linear"] == 1
    assert found.results == {"float32": sum(found.operators.values())}


def test_dense_weights_take_their_type(packages: dict[str, Path]) -> None:
    largest = inspect(packages["iOS18"]).largest(2)
    assert [(weight.shape, weight.storage, weight.bytes) for weight in largest] == [
        ((6, 5, 2, 2), "float32", 480),
        ((6, 2, 3, 3), "float32", 432),
    ]


@pytest.fixture(scope="module")
def compress(ct: Any, quiet: Quiet, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., PackageInspection]:
    """A linear layer, compressed in one of coremltools' ways and inspected."""
    folder = tmp_path_factory.mktemp("compressed")
    torch.manual_seed(0)

    def inspected(name: str, method: str, config: dict[str, Any], target: str = "iOS18") -> PackageInspection:
        optimize, path = ct.optimize.coreml, folder / f"{name}.mlpackage"
        with quiet():
            save(ct, nn.Linear(64, 96), torch.randn(1, 64), path, target)
            model = ct.models.MLModel(str(path), skip_model_load=True)
            kind = {"linear_quantize_weights": "OpLinearQuantizerConfig", "palettize_weights": "OpPalettizerConfig"}
            chosen = getattr(optimize, kind.get(method, "OpMagnitudePrunerConfig"))(weight_threshold=0, **config)
            getattr(optimize, method)(model, optimize.OptimizationConfig(global_config=chosen)).save(str(path))
        return inspect(path)

    return inspected


INT4 = {"mode": "linear_symmetric", "dtype": "int4", "granularity": "per_block", "block_size": 32}


@pytest.mark.parametrize(
    ("name", "method", "config", "target", "storage", "size"),
    [
        (
            "int8",
            "linear_quantize_weights",
            {"mode": "linear_symmetric"},
            "iOS18",
            "int8, a scale for each channel",
            6528,
        ),
        (
            "affine",
            "linear_quantize_weights",
            {"mode": "linear_symmetric"},
            "iOS17",
            "int8, a scale for each channel",
            0,
        ),
        ("int4", "linear_quantize_weights", INT4, "iOS18", "int4, blocks of 32", 3840),
        ("palette", "palettize_weights", {"mode": "uniform", "nbits": 6}, "iOS18", "6-bit palette", 4864),
        ("packed", "palettize_weights", {"mode": "uniform", "nbits": 4}, "iOS17", "4-bit palette", 0),
        ("sparse", "prune_weights", {"target_sparsity": 0.75}, "iOS18", "sparse", 6912),
    ],
)
def test_compression_is_told(
    compress: Callable[..., PackageInspection],
    name: str,
    method: str,
    config: dict[str, Any],
    target: str,
    storage: str,
    size: int,
) -> None:
    weight = compress(name, method, config, target).largest(1)[0]
    assert (weight.shape, weight.storage) == ((96, 64), storage)
    assert weight.bytes == size or not size


class Recurrent(nn.Module):
    """What the evaluator does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        hidden: Tensor = self.lstm(x)[0]
        return hidden


def test_what_cannot_be_run_can_be_seen(ct: Any, quiet: Quiet, tmp_path: Path) -> None:
    with quiet():
        path = save(ct, Recurrent().eval(), torch.randn(3, 1, 8), tmp_path / "recurrent.mlpackage")
    with pytest.raises(RunError, match="uses operator 'lstm'"):
        load(path)
    assert inspect(path).operators["lstm"] == 1


@pytest.mark.parametrize("name", ["missing.mlpackage", "empty.mlpackage"])
def test_a_broken_package_is_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.mlpackage").mkdir()
    with pytest.raises(RunError, match=name):
        inspect(tmp_path / name)


def command(*arguments: object) -> CompletedProcess[str]:
    script = [sys.executable, "-c", "from pe_validate.cli.main import main; main()", "coreml", "inspect"]
    return run([*script, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_the_command_shows_two_packages_side_by_side(packages: dict[str, Path]) -> None:
    shown = command(packages["iOS17"], "--compare", packages["iOS18"])
    assert shown.returncode == 0, shown.stderr
    rows = [line.split()[1:] for line in shown.stdout.splitlines() if "scaled_dot_product_attention" in line]
    assert rows == [["–", "1"], ["–", "0.000"]]  # operators, GMAC
    assert "largest weights" in shown.stdout


def test_the_command_prints_json(packages: dict[str, Path]) -> None:
    shown = command(packages["iOS18"], "--json")
    (found,) = json.loads(shown.stdout)
    assert found["macs"]["linear"] == LINEAR
    assert {weight["storage"] for weight in found["weights"]} >= {"float32"}


def test_the_command_fails_on_a_broken_package_in_one_sentence(tmp_path: Path) -> None:
    shown = command(tmp_path / "missing.mlpackage")
    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.startswith("pe-validate: Core ML package ")
    assert len(shown.stderr.strip().splitlines()) == 1


def test_what_is_no_array_is_told_in_words(ct: Any) -> None:
    from pe_validate.mil.description import in_words, is_picture

    feature = ct.proto.FeatureTypes_pb2
    described = ct.proto.Model_pb2.FeatureDescription
    image = feature.ImageFeatureType(width=64, height=48, colorSpace=30)
    ranged = feature.ImageFeatureType(width=64, height=48, colorSpace=10)
    ranged.imageSizeRange.widthRange.lowerBound, ranged.imageSizeRange.widthRange.upperBound = 32, -1
    ranged.imageSizeRange.heightRange.lowerBound, ranged.imageSizeRange.heightRange.upperBound = 48, 48
    listed = feature.ImageFeatureType(width=64, height=48, colorSpace=20)
    for side in (32, 64):
        listed.enumeratedSizes.sizes.add(width=side, height=side)
    labels = feature.DictionaryFeatureType(stringKeyType=feature.StringFeatureType())
    numbers = feature.SequenceFeatureType(int64Type=feature.Int64FeatureType())
    types = {
        "BGR image, 64 by 48": feature.FeatureType(imageType=image),
        "GRAYSCALE image, 32.. by 48": feature.FeatureType(imageType=ranged),
        "RGB image, 32 by 32 or 64 by 64": feature.FeatureType(imageType=listed),
        "double": feature.FeatureType(doubleType=feature.DoubleFeatureType()),
        "int64": feature.FeatureType(int64Type=feature.Int64FeatureType()),
        "string": feature.FeatureType(stringType=feature.StringFeatureType()),
        "dictionary of double by string": feature.FeatureType(dictionaryType=labels),
        "sequence of int64": feature.FeatureType(sequenceType=numbers),
    }
    for words, kind in types.items():
        message = described(name="x", type=kind)
        assert in_words(message) == f"x: {words}"
        assert is_picture(message) == ("image" in words)
    array = feature.FeatureType(multiArrayType=feature.ArrayFeatureType(shape=[1, 3]))
    assert in_words(described(name="x", type=array)) is None


def test_conversions_are_no_results(ct: Any, quiet: Quiet, tmp_path: Path) -> None:
    with quiet():
        path = save(ct, nn.ReLU(), torch.randn(1, 4), tmp_path / "half.mlpackage", precision="FLOAT16")
    found = inspect(path)
    assert found.operators["cast"] == 2
    assert found.results == {"float16": 1}
