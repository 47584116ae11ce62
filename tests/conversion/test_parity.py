"""Every artifact computes what the PyTorch model computes."""

import shlex
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.compare import compare
from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.numbers import judge_numbers
from pe_validate.gates.registry import tolerance
from pe_validate.inputs.feed import ImageFeed
from pe_validate.inputs.strategies import KINDS, LAYOUTS, Drawn, Kind, layouts
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, START_OF_TEXT
from pe_validate.models.perception_encoder.text.feed import TextFeed
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.export import export
from pe_validate.targets.open import Runtime, run
from pe_validate.targets.registry import recipe, target_of


@pytest.fixture
def see_it_again(request: pytest.FixtureRequest) -> str:
    test = request.node.nodeid.partition("]")[0] + "]"  # xdist appends its group
    weights = request.config.getoption("--pe-weights")
    profile = settings.get_current_profile_name()
    command = ["pytest", test, "--pe-weights", weights, f"--hypothesis-profile={profile}"]
    return f"\nSee it again: {shlex.join(command)}"


def test_every_gate_passes_on_photographs_and_structured_images(pe_verdicts: tuple[Verdict, ...]) -> None:
    assert pe_verdicts
    assert not [verdict.sentence for verdict in pe_verdicts if verdict.status != "pass"]


@pytest.fixture(scope="module")
def graph_runtime(pe_case: Case, pe_artifact: Artifact) -> Iterator[Runtime]:
    with IsolatedRuntime(
        pe_artifact.path, pe_case.target, target_of(pe_case).reading(pe_case.precision, "graph")
    ) as runtime:
        yield runtime


Judge = Callable[[str, NDArray[np.generic], NDArray[np.generic]], None]
"""Judges what an artifact answers to an input, which may lie in memory in another way than what the model is given."""


@pytest.fixture
def judge_one(pe_case: Case, pe_reference: Reference, request: pytest.FixtureRequest, see_it_again: str) -> Judge:
    """With the trained model; a quantised one with its own graph: scales may not fit what no photograph shows."""
    quantised = not pe_case.precision.startswith("fp")
    gate = "fidelity" if quantised else "loss"
    eager = pe_reference.graph(pe_case) if quantised else EagerRuntime(pe_reference.module, pe_reference.model)
    runtime: Runtime = request.getfixturevalue("graph_runtime" if quantised else "pe_runtime")

    def judge(name: str, given: NDArray[np.generic], laid_out: NDArray[np.generic]) -> None:
        expected = Outputs(eager.producer, {name: eager.run(given)})
        actual = Outputs(runtime.producer, {name: runtime.run(laid_out)})
        verdict = judge_numbers(pe_case, gate, expected, actual, tolerance(pe_case, gate))
        assert verdict.status == "pass", verdict.sentence + see_it_again

    return judge


def a_quarter_of_the_examples() -> settings:
    assert settings.default
    return settings(max_examples=max(1, settings.default.max_examples // 4))


@pytest.mark.images
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_agrees_on_generated_images(kind: Kind, pe_reference: Reference, judge_one: Judge) -> None:
    feed = pe_reference.model.feed
    assert isinstance(feed, ImageFeed)

    @a_quarter_of_the_examples()
    @given(drawn=kind(feed.size), layout=layouts())
    def agrees(drawn: Drawn, layout: str) -> None:
        judge_one(f"{drawn!r} in {layout} memory", drawn.image, LAYOUTS[layout](drawn.image))

    agrees()


@pytest.mark.texts
def test_agrees_on_generated_texts(pe_reference: Reference, judge_one: Judge) -> None:
    feed = pe_reference.model.feed
    assert isinstance(feed, TextFeed)
    words = st.lists(st.integers(0, START_OF_TEXT - 1), max_size=feed.context - 2)

    @a_quarter_of_the_examples()
    @given(words=words)
    def agrees(words: list[int]) -> None:
        ids = [START_OF_TEXT, *words, END_OF_TEXT]
        tokens = np.array([ids + [0] * (feed.context - len(ids))], np.int32)
        judge_one(f"ids {ids}", tokens, tokens)

    agrees()


def test_both_backends_of_executorch_agree(
    pe_case: Case, pe_reference: Reference, pe_runtime: Runtime, request: pytest.FixtureRequest
) -> None:
    if pe_case.target == "pte-coreml":
        partner = replace(pe_case, target="pte")
        made = export(partner, pe_reference.weights, request.config.getoption("--pe-cache-dir"))
        with IsolatedRuntime(
            made.path, partner.target, target_of(partner).reading(partner.precision, "model")
        ) as xnnpack:
            expected = run(xnnpack, pe_reference.inputs)
        actual = run(pe_runtime, pe_reference.inputs)
        verdict = judge_numbers(pe_case, "backends", expected, actual, tolerance(pe_case, "backends"))
        assert verdict.status == "pass", verdict.sentence


@pytest.mark.images
@pytest.mark.parametrize("layout", LAYOUTS)
def test_answers_the_same_whatever_the_memory_layout(layout: str, pe_reference: Reference, pe_runtime: Runtime) -> None:
    image = pe_reference.inputs[0].image
    difference = compare(pe_runtime.run(image), pe_runtime.run(LAYOUTS[layout](image)))
    assert difference.max_abs == 0


def test_tells_inputs_apart(pe_reference: Reference, pe_runtime: Runtime) -> None:
    first, second = (pe_runtime.run(*sample.values) for sample in pe_reference.inputs[:2])
    assert compare(first, second).snr_db < 40


def test_declares_the_promised_names_and_shapes(pe_case: Case, pe_reference: Reference, pe_runtime: Runtime) -> None:
    dtype, model = recipe(pe_case).scheme.dtype, pe_reference.model
    for found, promised in ((pe_runtime.inputs, model.inputs), (pe_runtime.outputs, model.outputs)):
        wanted = [replace(spec, dtype=dtype) if spec.dtype == "float32" else spec for spec in promised]
        names = target_of(pe_case).keeps_names
        assert [(each.name if names else "", each.dtype, each.shape) for each in found] == [
            (each.name if names else "", each.dtype, each.shape) for each in wanted
        ]
