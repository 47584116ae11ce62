"""A mistake is named if the model with it answers as the artifact does, and no other does; else nothing is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from towers import load_tower

from pe_validate.case import Case
from pe_validate.data.diagnosis import Diagnosis
from pe_validate.data.verdict import Verdict
from pe_validate.explain.diagnose import diagnose, diagnosis_of
from pe_validate.explain.on_model import integers
from pe_validate.explain.on_tensors import with_stored
from pe_validate.explain.suspect import Ask, Labelled, Suspect, asking, of_output
from pe_validate.gates.evidence import Evidence
from pe_validate.models.base import Model
from pe_validate.models.mistake import twin
from pe_validate.models.own.config import VARIABLE
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.models.registry import model_named
from pe_validate.reference.reference import Reference, reference
from pe_validate.system.errors import ExportError

Image = NDArray[np.float32]
CASE = Case("Somebodys", "onnx", "fp32")


class Somebodys(nn.Module):
    """A user's module: a convolution, LayerNorm, GELU and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution, self.norm, self.layer = nn.Conv2d(3, 6, 3), nn.LayerNorm(6), nn.Linear(6, 5)
        self.mix = nn.Parameter(torch.randn(6, 36) / 6)

    def forward(self, image: Tensor) -> Tensor:
        x = self.convolution(image).flatten(2)
        features: Tensor = self.layer(F.gelu(self.norm((x * self.mix).sum(-1))))
        return features


@pytest.fixture(scope="module")
def somebodys() -> Iterator[Reference]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Somebodys().eval().requires_grad_(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "")  # what is registered is not there for other tests
        Model.from_module(module, torch.rand(1, 3, 8, 8), name=CASE.model)
        yield reference(CASE.model)


Answer = Callable[[Reference, Image], NDArray[np.float64]]


def suspect(model: Reference, answer: Answer) -> Suspect:
    found = {each.name: answer(model, each.image).astype(np.float32) for each in model.inputs}
    return Suspect(CASE, "loss", model, found, model.trained.features, model.module, "float32", 107, 107)


def said(model: Reference, answer: Answer) -> tuple[str, ...]:
    return diagnose(suspect(model, answer)).names


def sound(model: Reference, image: Image) -> NDArray[np.float64]:
    return asking(model.module)(np.ascontiguousarray(image))


def with_gelu_by_tanh(model: Reference, image: Image) -> NDArray[np.float64]:
    module = model.module
    assert isinstance(module, Somebodys) or hasattr(module, "norm")
    with pytest.MonkeyPatch.context() as patch:
        exact = F.gelu
        patch.setattr(F, "gelu", lambda x: exact(x, approximate="tanh"))
        return sound(model, image)


def with_epsilon(model: Reference, image: Image) -> NDArray[np.float64]:
    copy = twin(model.module)
    for part in copy.modules():
        if isinstance(part, nn.LayerNorm):
            part.eps = 1e-3
    return asking(copy)(image)


def length_1(value: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = value / np.linalg.norm(value, axis=-1, keepdims=True)
    return scaled


MISTAKES: dict[str, tuple[tuple[str, ...], Answer]] = {
    "bgr": (("bgr",), lambda m, x: sound(m, x[:, ::-1])),
    "transposed": (("transposed",), lambda m, x: sound(m, x.swapaxes(2, 3))),
    "nhwc": (("channels last",), lambda m, x: sound(m, x.transpose(0, 2, 3, 1).reshape(x.shape))),
    "normalised": (("normalised output",), lambda m, x: length_1(sound(m, x))),
    "scaled": (("scaled output",), lambda m, x: 0.5 * sound(m, x)),
    "tanh": (("gelu by tanh",), with_gelu_by_tanh),
    "epsilon": (("layer norm epsilon 0.001",), with_epsilon),
    "bgr and normalised": (("bgr", "normalised output"), lambda m, x: length_1(sound(m, x[:, ::-1]))),
    "tanh and scaled": (("gelu by tanh", "scaled output"), lambda m, x: 3 * with_gelu_by_tanh(m, x)),
    "tanh and bgr": (("bgr", "gelu by tanh"), lambda m, x: with_gelu_by_tanh(m, x[:, ::-1])),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_with_a_users_own_model_is_named(name: str, somebodys: Reference) -> None:
    names, answer = MISTAKES[name]
    assert said(somebodys, answer) == names


def test_a_precision_that_the_model_cannot_have_is_no_guess(somebodys: Reference) -> None:
    def refuse() -> Labelled:
        raise ExportError("int4 has a scale for every 32 weights of a row, and layer 'layer' has 6 inputs.")

    noise = np.random.RandomState(0)
    asked = suspect(somebodys, lambda m, x: sound(m, x) + noise.randn(1, 5) / 50)
    assert diagnose(replace(asked, labels={"int4": refuse})).names == ()


STRANGE: dict[str, Answer] = {
    "noise": lambda m, x: np.random.RandomState(int(x.sum() * 1000) % 1000).randn(1, 5),
    "nearly bgr": lambda m, x: sound(m, x[:, ::-1]) * (1 + 1e-3 * np.arange(5)),
    "half bgr": lambda m, x: (sound(m, x[:, ::-1]) + sound(m, x)) / 2,
    "another shape": lambda m, x: sound(m, x)[:, :3],
    "not finite": lambda m, x: sound(m, x) * np.nan,
    "bgr once": lambda m, x: sound(m, x[:, ::-1] if x is m.inputs[0].image else x[..., ::-1]),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_no_mistake_explains_is_given_no_name(name: str, somebodys: Reference) -> None:
    found = diagnose(suspect(somebodys, STRANGE[name]))
    assert found.names == ()
    assert "None of the" in found.sentence


def test_what_is_exact_where_it_should_be_rounded_has_no_mistake_of_the_model(somebodys: Reference) -> None:
    """GELU by erf is what the model has: it answers as float32 does, and explains nothing."""
    trained, draw = somebodys.trained.features, np.random.RandomState(0)
    rounded = {name: (value + draw.normal(0, 0.03, value.shape)).astype(np.float32) for name, value in trained.items()}
    exact = Suspect(CASE, "fidelity", somebodys, trained, rounded, somebodys.module, "float32", 30, 24)
    assert diagnose(exact).names == ()


def test_nothing_is_tried_if_every_gate_passes() -> None:
    passed = Verdict(CASE, "fidelity", "pass", "passes")
    assert diagnosis_of(_never(), [passed]) is None


def _never() -> Evidence:
    class Never:
        def __getattr__(self, name: str) -> object:
            raise AssertionError(name)

    return Never()  # type: ignore[return-value]  # nothing is asked of it


def test_time_is_kept(somebodys: Reference) -> None:
    found = diagnose(suspect(somebodys, STRANGE["noise"]), budget=0)
    assert found.tried == 0
    assert not found.names


@pytest.fixture(scope="module")
def tower() -> VisionTower:
    return load_tower("PE-Nano")


def test_no_alteration_touches_the_model(tower: VisionTower) -> None:
    before = {name: value.clone() for name, value in tower.state_dict().items()}
    parts = [type(part) for part in tower.modules()]
    for mistake in model_named("PE-Nano").mistakes():
        assert mistake.alter(tower) is not tower
    assert [type(part) for part in tower.modules()] == parts
    assert all(torch.equal(value, before[name]) for name, value in tower.state_dict().items())


def test_a_twin_shares_tensors_and_no_part() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    copy = twin(module)
    assert all(a is b for a, b in zip(module.parameters(), copy.parameters(), strict=True))
    copy[0].weight = nn.Parameter(torch.zeros(2, 2))
    del copy._modules["1"]
    assert len(module) == 2
    assert module.state_dict()["0.weight"].any()


def test_a_part_that_two_places_share_stays_shared_in_a_twin() -> None:
    layer = nn.Linear(2, 2)
    copy = twin(nn.Sequential(layer, layer))
    assert copy[0] is copy[1] is not layer


def test_tensors_of_a_file_are_named() -> None:
    graph = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    own = {name: value.numpy().copy() for name, value in graph.state_dict().items()}
    assert with_stored(graph, own) is None
    stale = with_stored(graph, own | {"1.bias": own["1.bias"] + 1})
    assert stale is not None
    assert stale.names == ("1.bias",)
    exchanged = with_stored(graph, own | {"0.weight": own["1.weight"], "1.weight": own["0.weight"]})
    assert exchanged is not None
    assert "exchanged" in exchanged.saying
    other = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).requires_grad_(False)
    whole = with_stored(graph, {name: value.numpy() for name, value in other.state_dict().items()})
    assert whole is not None
    image = torch.rand(3, 4)
    torch.testing.assert_close(whole.module(image), other(image))


def test_a_table_that_is_most_of_a_model_is_not_another_checkpoint() -> None:
    graph = nn.Sequential(nn.Embedding(1000, 4), nn.Linear(4, 4), nn.Linear(4, 4)).requires_grad_(False)
    own = {name: value.numpy().copy() for name, value in graph.state_dict().items()}
    other = {"0.weight": np.random.default_rng(1).standard_normal((1000, 4), np.float32)}
    found = with_stored(graph, own | other)
    assert found is not None
    assert found.names == ("0.weight",)


@pytest.mark.parametrize(("bits", "group"), [(8, None), (8, 0), (4, None), (4, 2)])
def test_integers_are_as_many_as_the_bits_allow(bits: int, group: int | None) -> None:
    weight = torch.randn(1, 64)
    rounded = integers(bits, group, weight)
    assert (rounded - weight).abs().max() <= weight.abs().max() / (2 ** (bits - 1) - 1)
    if group is None:
        assert len(rounded.unique()) <= 2**bits


def test_the_sentence_has_the_numbers() -> None:
    found = Diagnosis(CASE, "loss", ("bgr",), "fed with BGR", 118.2, 4.1, 10.0, 30, 0.5)
    assert found.sentence == "Somebodys/onnx/fp32 is the model fed with BGR (118 dB; as it should be, 4 dB)."


class Pair(nn.Module):
    """Two inputs that are alike, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.norm = nn.Linear(8, 6), nn.Linear(8, 6), nn.LayerNorm(6)

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
        x = F.gelu(self.norm(self.left(left) - self.right(right)))
        return x * 2, x.square() + left[:, :6]


@pytest.fixture(scope="module")
def pair() -> Iterator[Reference]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = Pair().eval().requires_grad_(False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "")
        Model.from_module(module, (torch.randn(1, 8), torch.randn(1, 8)), name="Pair")
        yield reference("Pair")


Outputs = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, ...]]


def by_tanh(module: nn.Module, left: Tensor, right: Tensor) -> tuple[Tensor, ...]:
    with pytest.MonkeyPatch.context() as patch:
        gelu = F.gelu
        patch.setattr(F, "gelu", lambda x: gelu(x, approximate="tanh"))
        answer: tuple[Tensor, ...] = module(left, right)
    return answer


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        (by_tanh, "gelu by tanh"),
        (lambda module, left, right: module(right, left), "inputs exchanged"),
        (lambda module, left, right: module(left, right)[::-1], "outputs exchanged"),
        (lambda module, left, right: tuple(3 * each for each in module(left, right)), "scaled"),
    ],
    ids=["GELU", "inputs", "outputs", "scale"],
)
@pytest.mark.parametrize("output", [0, 1])
def test_a_model_with_several_inputs_and_outputs_is_diagnosed_by_each_output(
    pair: Reference, answers: Outputs, name: str, output: int
) -> None:
    found = {}
    for sample in pair.inputs:
        with torch.no_grad():
            answer = answers(pair.module, *map(torch.from_numpy, sample.values))
        found[sample.name] = answer[output].numpy()
    expected = of_output(pair, pair.trained, output)
    case = Case("Pair", "onnx", "fp32")
    suspected = Suspect(case, "loss", pair, found, expected, pair.module, "float32", 107, 107, output=output)
    assert any(name in each for each in diagnose(suspected).names), diagnose(suspected)


def test_the_next_case_of_a_model_does_not_compute_its_mistakes_again(
    somebodys: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert said(somebodys, with_gelu_by_tanh)
    tried = diagnose(suspect(somebodys, with_gelu_by_tanh)).tried
    altered: list[nn.Module] = []

    def counted(module: nn.Module, dtype: str = "float32", output: int = 0) -> Ask:
        altered.append(module)
        return asking(module, dtype, output)

    monkeypatch.setattr("pe_validate.explain.guesses.asking", counted)
    assert said(somebodys, with_gelu_by_tanh)
    assert len(altered) * 3 < tried
