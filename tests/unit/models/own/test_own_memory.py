"""A module that exists in memory only is validated like any other, and stays as it is."""

from __future__ import annotations

import pytest
import torch
from own_models import encoder
from torch import nn

import pe_validate
from pe_validate.models.own.config import VARIABLE
from pe_validate.system.errors import LoadError, UsageError


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is not there for the next."""
    monkeypatch.setenv(VARIABLE, "")


IMAGE = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_it_passes_the_gates_under_the_name_of_its_argument() -> None:
    module = encoder()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    model = pe_validate.Model.from_module(module, IMAGE, name="notebook", output="feature", targets=("onnx", "pt2"))
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


def test_several_outputs_are_listed_until_one_is_named() -> None:
    with pytest.raises(LoadError, match=r"gives 'tokens' \[1, 64, 24\], 'feature' \[1, 5\]: name the one to validate"):
        pe_validate.Model.from_module(encoder(), IMAGE, name="several")


def test_what_is_not_one_float32_tensor_is_refused_with_its_type() -> None:
    with pytest.raises(UsageError, match=r"torch.int64\[1, 4\]; one float32 tensor is what can be validated today"):
        pe_validate.Model.from_module(nn.Embedding(9, 2), torch.zeros(1, 4, dtype=torch.int64), name="tokens")


def test_a_target_that_it_is_not_for_is_refused() -> None:
    model = pe_validate.Model.from_module(nn.Flatten(), IMAGE, name="two", targets=("onnx",))
    with pytest.raises(UsageError, match="No case matches 'two/pte/fp32'"):
        pe_validate.validate(model, "pte/fp32")
