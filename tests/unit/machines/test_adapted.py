"""A file is judged under the contract that it was written for, and what an app must do is said until it is meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import torch
from nano import case
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.case import Case
from pe_validate.data.contract import Contract
from pe_validate.data.result import Result
from pe_validate.data.structure import Structure
from pe_validate.inputs.contract import contract_named
from pe_validate.reference.reference import Reference, reference
from pe_validate.targets.base import Example
from pe_validate.targets.registry import target_named
from pe_validate.walk.check import Claim, check, claimed

ONNX = case("fp32", "onnx")

pytestmark = pytest.mark.filterwarnings("ignore")  # the exporter of torch 2.13 warns of itself


@dataclass(frozen=True)
class Build:
    """What a user's build does around the tower, and an example of what the file then takes."""

    around: Callable[[nn.Module, Tensor], Tensor]
    example: Tensor
    words: str


def one_by_one(tower: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([tower(image) for image in images.split(1)])


PIXELS = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
IMAGE = torch.zeros(1, 3, 64, 64)

BUILDS = {
    "channels last": Build(lambda tower, x: tower(x.permute(0, 3, 1, 2)), IMAGE.permute(0, 2, 3, 1), "NHWC"),
    "no batch axis": Build(lambda tower, x: tower(x[None]), IMAGE[0], "CHW"),
    "pixels, normalised inside": Build(
        lambda tower, x: tower(x.permute(0, 3, 1, 2).float() / 127.5 - 1), PIXELS, "NHWC,bytes"
    ),
    "one image of pixels": Build(
        lambda tower, x: tower(x.permute(2, 0, 1)[None].float() / 127.5 - 1), PIXELS[0], "HWC,bytes"
    ),
    "channels last, values from 0 to 1": Build(
        lambda tower, x: tower(x.permute(0, 3, 1, 2) * 2 - 1), IMAGE.permute(0, 2, 3, 1), "NHWC,unit"
    ),
    "two images a call": Build(lambda tower, x: one_by_one(tower, x), IMAGE.repeat(2, 1, 1, 1), "batch=2"),
    "float64": Build(lambda tower, x: tower(x.float()), IMAGE.double(), ""),
}

ACCEPTED = {
    "output normalised": Build(lambda tower, x: F.normalize(tower(x), dim=-1), IMAGE, "normalised"),
    "output scaled": Build(lambda tower, x: tower(x) * 100, IMAGE, "scaled"),
    "values from 0 to 255 and output normalised": Build(
        lambda tower, x: F.normalize(tower(x / 127.5 - 1), dim=-1), IMAGE, "bytes,normalised"
    ),
}


class Around(nn.Module):
    def __init__(self, tower: nn.Module, build: Build) -> None:
        super().__init__()
        self.tower, self._around = tower, build.around

    def forward(self, image: Tensor) -> Tensor:
        return self._around(self.tower, image)


@pytest.fixture(scope="module")
def nano() -> Reference:
    return reference("PE-Nano")


@pytest.fixture(scope="module")
def tower(nano: Reference) -> nn.Module:
    """The tower as it is deployed, which is exported in a third of the time."""
    return nano.rewrite(ONNX, exact=True).module


@pytest.fixture
def checked(nano: Reference, tower: nn.Module, tmp_path: Path) -> Callable[..., Result]:
    def call(build: Build, contract: str | None = None) -> Result:
        path = tmp_path / "build.onnx"
        if not path.exists():
            example = Example.of(build.example.contiguous())
            target_named("onnx").write(Around(tower, build).eval(), example, path, {"model": "PE-Nano"}, "fp32")
        return check(
            Claim(path, ONNX, Structure()), nano, contract=contract_named(contract) if contract is not None else None
        )

    return call


def statuses(result: Result) -> dict[str, str]:
    return {verdict.gate: verdict.status for verdict in result.verdicts}


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_a_file_with_an_interface_of_its_own_is_the_model_and_says_what_an_app_must_do(
    checked: Callable[..., Result], build: Build
) -> None:
    result = checked(build)
    interface = result.verdict("interface")
    assert {gate: status for gate, status in statuses(result).items() if gate != "interface"} | {
        "identity": "pass",
        "loss": "pass",
    } == dict.fromkeys(statuses(result).keys() - {"interface"}, "pass")
    if not build.words:
        assert interface is None
        return
    assert interface
    assert interface.status == "fail"
    assert f"Say --contract {build.words}" in interface.sentence
    accepted = checked(build, build.words)
    assert accepted.status == "pass", [verdict.sentence for verdict in accepted.verdicts]


@pytest.mark.parametrize("build", ACCEPTED.values(), ids=ACCEPTED)
def test_what_no_file_declares_is_red_until_it_is_meant(checked: Callable[..., Result], build: Build) -> None:
    assert statuses(checked(build))["identity"] == "fail"
    result = checked(build, build.words)
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts]
    said = result.verdict("interface")
    assert said
    assert "which is meant" in said.sentence


def quantise_input(path: Path, scale: float, zero: int) -> None:
    """Put a DequantizeLinear before all that reads the input, as quantisers of whole graphs do."""
    model = onnx.load(path)
    (taken,) = model.graph.input
    for node in model.graph.node:
        node.input[:] = ["dequantised" if name == taken.name else name for name in node.input]
    stored: dict[str, np.ndarray] = {
        "scale of input": np.array(scale, np.float32),
        "zero of input": np.array(zero, np.int8),
    }
    model.graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in stored.items())
    node = onnx.helper.make_node("DequantizeLinear", [taken.name, *stored], ["dequantised"])
    model.graph.node.insert(0, node)
    taken.type.tensor_type.elem_type = onnx.TensorProto.INT8
    onnx.save(model, path)


def test_an_input_of_quantised_integers_is_given_such_and_the_model_what_they_stand_for(
    nano: Reference, tower: nn.Module, tmp_path: Path
) -> None:
    path = tmp_path / "int8.onnx"
    target_named("onnx").write(tower, Example.of(IMAGE), path, {"model": "PE-Nano"}, "fp32")
    quantise_input(path, 1 / 120, -3)
    claim = claimed(path, "PE-Nano", "fp32")
    result = check(replace(claim, structure=Structure()), nano)
    interface = result.verdict("interface")
    assert interface
    assert [verdict.gate for verdict in result.verdicts if verdict.status == "fail"] == ["interface"], result.sentences
    assert "(int8 with scale 0.00833333 and zero point -3)" in interface.sentence
    assert "Say --contract quantised" in interface.sentence
    assert check(claim, nano, contract=contract_named("quantised")).status == "pass"


class WithFewer(nn.Module):
    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        features = self.tower(image)
        return features[:, :8], features


def test_of_several_outputs_the_one_that_has_the_models_shape_is_judged_and_named(
    nano: Reference, tower: nn.Module, tmp_path: Path
) -> None:
    example, path = Example({"image": IMAGE}, ("short", "long")), tmp_path / "two.onnx"
    target_named("onnx").write(WithFewer(tower).eval(), example, path, {"model": "PE-Nano"}, "fp32")
    result = check(Claim(path, ONNX, Structure()), nano)
    assert result.status == "pass", result.sentences
    said = result.verdict("interface")
    assert said
    assert "of its 2 outputs 'long' was judged, and no other" in said.sentence


def test_a_contract_of_the_configuration_holds_without_being_said_again(
    tower: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = BUILDS["pixels, normalised inside"]
    path = tmp_path / "build.onnx"
    example = Example.of(build.example.contiguous())
    target_named("onnx").write(Around(tower, build).eval(), example, path, {"model": "PE-Nano"}, "fp32")
    (tmp_path / "pe-validate.toml").write_text(f'[models.mine]\nbase = "PE-Nano"\ncontract = "{build.words}"\n')
    monkeypatch.chdir(tmp_path)
    result = check(Claim(path, Case("mine", "onnx", "fp32"), Structure()), reference("mine"))
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts]


def test_a_contract_hides_no_fault(checked: Callable[..., Result]) -> None:
    upside_down = Build(lambda tower, x: tower(x.permute(0, 3, 1, 2).flip(2)), IMAGE.permute(0, 2, 3, 1), "NHWC")
    found = statuses(checked(upside_down, "NHWC"))
    assert (found["identity"], found["loss"]) == ("fail", "fail")


def test_a_batch_whose_images_are_mixed_up_is_refused(checked: Callable[..., Result]) -> None:
    factors = torch.tensor([[1.0], [2.0]])
    mixed = Build(lambda tower, x: one_by_one(tower, x) * factors, IMAGE.repeat(2, 1, 1, 1), "batch=2")
    with pytest.raises(Exception, match="answers the same image differently at another place of the batch"):
        checked(mixed)


@pytest.mark.parametrize(
    ("text", "contract"),
    [
        ("NHWC,bytes", Contract("NHWC", "bytes")),
        ("bytes, batch=4, normalised", Contract("", "bytes", 4, "normalised")),
        ("", Contract()),
    ],
)
def test_a_contract_is_written_in_words_of_any_order(text: str, contract: Contract) -> None:
    assert contract_named(text) == contract
    assert contract_named(str(contract)) == contract


@pytest.mark.parametrize("text", ["kelvin", "batch=x", "b/w"])
def test_a_word_that_is_none_is_refused_naming_those_that_are(text: str) -> None:
    with pytest.raises(ValueError, match="its words are NHWC or another layout, pe, imagenet"):
        contract_named(text)
