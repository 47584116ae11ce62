"""A module that exists in memory only is validated like any other, and stays as it is."""

from __future__ import annotations

import pytest
import torch
from own_models import encoder, text_encoder
from torch import nn

import pe_validate
from pe_validate.data.case import Case
from pe_validate.data.structure import Structure
from pe_validate.models.own.config import VARIABLE
from pe_validate.reference.reference import reference
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.walk.check import Claim, check


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is not there for the next."""
    monkeypatch.setenv(VARIABLE, "")


TOKENS = {"tokens": torch.tensor([[1, 5, 49]]), "mask": torch.tensor([[1, 1, 0]])}
IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_it_passes_the_gates_under_the_name_of_its_argument() -> None:
    module = encoder()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    model = pe_validate.Model.from_module(module, IMAGE, name="notebook", outputs=("feature",), targets=("onnx", "pt2"))
    result = pe_validate.validate(model, "onnx/fp32")
    assert {verdict.gate for verdict in result.verdicts} >= {"fidelity", "loss", "interface"}
    assert all(verdict.status == "pass" for verdict in result.verdicts), result.verdicts
    assert result.artifact
    assert (result.artifact.inputs[0].name, result.artifact.outputs[0].name) == ("pixels", "feature")
    assert all(torch.equal(module.state_dict()[name], tensor) for name, tensor in before.items())


def test_its_example_is_an_input_and_noise_like_it_the_others() -> None:
    model = pe_validate.Model.from_module(nn.Flatten(), IMAGE, name="flat")
    first, *others = model.feed.samples()
    assert (first.image == IMAGE.numpy()).all()
    assert len(others) > 2
    assert all(abs(sample.image.mean() - 0.5) < 0.02 for sample in others)


def test_a_cell_that_is_run_again_replaces_its_model() -> None:
    first = pe_validate.Model.from_module(nn.Flatten(), IMAGE, name="again")
    second = pe_validate.Model.from_module(nn.Sequential(nn.Flatten(), nn.ReLU()), IMAGE, name="again")
    digests = [model.load_weights("seed:7").sha256 for model in (first, second)]
    assert len(set(digests)) == 2
    assert pe_validate.load_weights("again").sha256 == digests[1]


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(UsageError, match="There is a model 'PE-Nano' already"):
        pe_validate.Model.from_module(nn.Flatten(), IMAGE, name="PE-Nano")


def test_what_cannot_be_loaded_leaves_no_model_behind() -> None:
    with pytest.raises(LoadError, match=r"has no output 'x': it gives 'tokens' \[1, 64, 24\], 'feature' \[1, 5\]"):
        pe_validate.Model.from_module(encoder(), IMAGE, name="several", outputs=("x",))
    with pytest.raises(UsageError, match="Unknown model 'several'"):
        pe_validate.load_model("several")


def test_an_embedding_is_one_output() -> None:
    with pytest.raises(LoadError, match="gives tokens, feature, and its answer is one embedding"):
        pe_validate.Model.from_module(encoder(), IMAGE, name="several", answer="embedding")


@pytest.mark.parametrize("kind", ["onnx/fp32", "pte/fp32", "pte/fp16", "pte/int8-static", "mlpackage/fp16", "pt2/fp32"])
def test_every_input_and_output_is_judged(kind: str) -> None:
    model = pe_validate.Model.from_module(text_encoder(), TOKENS, name="text")
    result = pe_validate.validate(model, kind)
    statuses = {verdict.gate: verdict.status for verdict in result.verdicts}
    assert statuses["interface"] == "pass", result.verdict("interface")
    for gate in ("fidelity", "loss"):
        judged = result.verdict(gate)
        assert judged
        assert judged.comparisons
        assert judged.status == "pass", judged.sentence
        assert {name.rpartition(", ")[2] for name in judged.comparisons} == {"states", "pooled_0", "pooled_1"}


@pytest.mark.parametrize(("model", "reason"), [("text", "has several inputs"), ("image", "names no places inside")])
def test_a_wrong_output_among_several_is_named_and_is_no_traceback(model: str, reason: str) -> None:
    module, given = (text_encoder(), TOKENS) if model == "text" else (encoder(), IMAGE)
    pe_validate.Model.from_module(module, given, name=model)
    case = Case(model, "onnx", "fp32")
    artifact = pe_validate.export(case)
    with torch.no_grad():
        module.head.bias.add_(1)
    pe_validate.Model.from_module(module, given, name=model)
    result = check(Claim(artifact.path, case, Structure()), reference(model))
    identity = result.verdict("identity")
    assert identity
    assert identity.status == "fail"
    last = "pooled_0" if model == "text" else "feature"
    assert f", {last}'" in identity.sentence
    assert reason in str(result.unexplained)


def test_a_type_that_is_no_input_is_refused_naming_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"torch.float64\[1, 4\]; inputs are torch.float32, torch.int32"):
        pe_validate.Model.from_module(nn.Linear(4, 2), torch.zeros(1, 4, dtype=torch.float64), name="double")


def test_a_target_that_it_is_not_for_is_refused() -> None:
    model = pe_validate.Model.from_module(nn.Flatten(), IMAGE, name="two", targets=("onnx",))
    with pytest.raises(UsageError, match="No case matches 'two/pte/fp32'"):
        pe_validate.validate(model, "pte/fp32")
