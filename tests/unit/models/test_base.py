"""A model that says nothing of itself but what it is can be validated; what it cannot do is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pe_validate.case import Case
from pe_validate.data.recipe import FUSED, HALF, LINEAR
from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.explain.locate import follow
from pe_validate.gates.fidelity import FIDELITY
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.rewrite import REWRITE
from pe_validate.inputs.feed import ImageFeed
from pe_validate.inputs.images import Sample
from pe_validate.models.base import Model
from pe_validate.models.registry import model_named
from pe_validate.models.weights import Weights
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import ExplainError, UsageError
from pe_validate.tasks.answer import ONE_EMBEDDING

SIZE = 8
FORMS = (FUSED, LINEAR, HALF)
IMAGE = np.linspace(-1, 1, 3 * SIZE * SIZE, dtype=np.float32).reshape(1, 3, SIZE, SIZE)


class Minimal(Model):
    """Nothing but what has to be said."""

    name = "minimal"
    inputs = (TensorSpec(INPUT_NAME, (1, 3, SIZE, SIZE), "float32"),)
    outputs = (TensorSpec(OUTPUT_NAME, (1, 4), "float32"),)
    feed = ImageFeed(SIZE)
    answer = ONE_EMBEDDING
    modules = (__name__,)

    def load_weights(self, spec: str) -> Weights:
        module = network()
        return Weights(spec, "0" * 64, dict(module.state_dict()))

    def load(self, weights: Weights) -> nn.Module:
        module = network()
        module.load_state_dict(dict(weights.tensors))
        return module


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, 4)).eval().requires_grad_(False)


@pytest.fixture
def module() -> nn.Module:
    model = Minimal()
    return model.load(model.load_weights("any"))


def answer(module: nn.Module) -> Tensor:
    features: Tensor = module(torch.from_numpy(IMAGE))
    return features


@pytest.mark.parametrize("form", FORMS)
def test_without_rewrites_a_copy_of_the_module_itself_is_deployed(form: str, module: nn.Module) -> None:
    expected, deployed = answer(module), Minimal().deployable(module, form)
    assert deployed is not module
    assert torch.equal(answer(deployed), expected)
    for parameter in deployed.parameters():
        parameter.zero_()
    assert torch.equal(answer(module), expected), "the copy shares a tensor with the module"


@pytest.mark.parametrize("form", FORMS)
def test_without_rewrites_nothing_is_approximated(form: str, module: nn.Module) -> None:
    assert not Minimal().approximates(form)
    assert Minimal().exact(module) is module


def test_what_is_not_said_is_nothing(module: nn.Module) -> None:
    model = Minimal()
    assert model.places(module, IMAGE) == {}
    assert model.place_of_layer("encoder.block2.contract.weight") is None
    assert (model.macs, model.licence, model.labelled()) == (None, "unknown", None)
    assert not model.recognises("trained")


def test_a_value_at_a_place_is_that_value_in_float64() -> None:
    value = np.array([[0.1, -0.0], [np.nan, np.inf]], np.float32)
    found = Minimal().at_place("anywhere", value)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, value.astype(np.float64))


@pytest.mark.parametrize("gate", [REWRITE, FIDELITY, LOSS], ids=lambda gate: gate.name)
def test_nothing_can_be_followed_through_a_model_without_places(
    gate: NumbersGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Minimal()
    monkeypatch.setattr("pe_validate.models.registry.models", lambda: {model.name: model})
    weights = model.load_weights("any")
    reference = Reference(model, weights, model.load(weights), (Sample.of("ramp", IMAGE),))
    with pytest.raises(ExplainError, match=r"^minimal names no places inside it, so .* followed through it\.$"):
        follow(Case(model.name, "onnx", "fp32"), Path("unread.onnx"), reference, gate, "ramp")


@pytest.mark.parametrize("form", ["", "halves", "Fused", "itself"])
def test_a_tower_refuses_a_form_that_it_does_not_have_in_one_sentence(form: str) -> None:
    model = model_named("PE-Nano")
    with pytest.raises(UsageError) as refusal:
        model.deployable(model.load(model.load_weights("seed:7")), form)
    assert str(refusal.value) == f"PE-Nano has no form '{form}': choose one of fused, linear, half."
