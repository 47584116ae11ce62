"""What is asked of every artifact besides its loss, each with an artifact that does not have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray
from pe_validate.gates.verdicts import judge_interface

from pe_validate.case import MATRIX, Case
from pe_validate.data.tensors import TensorSpec
from pe_validate.gates.evidence import at_extremes, in_a_batch, required
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.reference.reference import Reference, reference
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.runtime import Runtime

CASE = Case("PE-Nano", "onnx", "fp32")
CONFIG = MODELS[CASE.model]

Answer = Callable[[NDArray[np.generic], NDArray[np.generic]], NDArray[np.generic]]


class Altered(Runtime):
    """The sound model, whose answer to ``image`` is passed through ``change(image, answer)``."""

    producer = "a runtime"

    def __init__(self, model: Reference, change: Answer) -> None:
        self._sound, self._change = EagerRuntime(model.tower, CONFIG), change
        self.inputs = (TensorSpec("image", (-1, *CONFIG.input_shape[1:]), "float32"),)
        self.outputs = (TensorSpec("features", (-1, *CONFIG.output_shape[1:]), "float32"),)

    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        answers = np.concatenate([self._sound._run(one[None]) for one in image])
        return self._change(image, answers)


@pytest.fixture(scope="module")
def model() -> Reference:
    return reference("PE-Nano")


def lagging() -> Answer:
    kept: list[NDArray[np.generic]] = []

    def change(image: NDArray[np.generic], answer: NDArray[np.generic]) -> NDArray[np.generic]:
        kept.append(answer)
        return kept[max(0, len(kept) - 2)]

    return change


def drifting() -> Answer:
    calls = count()
    return lambda image, answer: answer if next(calls) < 2 else np.nextafter(answer, np.inf)


def sound(image: NDArray[np.generic], answer: NDArray[np.generic]) -> NDArray[np.generic]:
    return answer


def wrong_when(value: float) -> Answer:
    return lambda image, answer: answer * np.nan if (image == value).all() else answer


def gates(model: Reference, change: Answer) -> dict[str, str]:
    return {verdict.gate: verdict.status for verdict in at_extremes(CASE, model, Altered(model, change))}


def test_a_sound_model_passes_at_the_extremes_and_answers_alike_twice(model: Reference) -> None:
    assert gates(model, sound) == {"extremes": "pass", "determinism": "pass"}


@pytest.mark.parametrize("value", [-1.0, 1.0], ids=["black", "white"])
def test_an_artifact_that_is_wrong_for_one_extreme_image_fails(model: Reference, value: float) -> None:
    assert gates(model, wrong_when(value))["extremes"] == "fail"


@pytest.mark.parametrize("change", [lagging, drifting])
def test_an_artifact_that_answers_otherwise_the_second_time_fails(
    model: Reference, change: Callable[[], Answer]
) -> None:
    assert gates(model, change())["determinism"] == "fail"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (sound, "pass"),
        (lambda image, answer: np.repeat(answer[:1], len(image), axis=0), "fail"),
        (lambda image, answer: answer[::-1], "fail"),
        (lambda image, answer: answer[:1], "fail"),
        (lambda image, answer: answer[0], "fail"),
    ],
    ids=["sound", "the first one repeated", "in another order", "only the first one", "no batch"],
)
def test_several_images_at_once_get_each_their_own_answer(model: Reference, change: Answer, status: str) -> None:
    assert in_a_batch(CASE, model, Altered(model, change)).status == status


@pytest.mark.parametrize("part", ["inputs", "outputs"])
@pytest.mark.parametrize(
    "change", [{"dtype": "float16"}, {"name": "x"}, {"shape": (1,)}], ids=lambda change: min(change)
)
def test_an_artifact_must_declare_what_apps_are_written_for(
    model: Reference, part: str, change: dict[str, object]
) -> None:
    runtime = EagerRuntime(model.tower, CONFIG)
    assert judge_interface(CASE, runtime).status == "pass"
    (spec,) = getattr(runtime, part)
    setattr(runtime, part, (replace(spec, **change),))
    assert judge_interface(CASE, runtime).status == "fail"


@pytest.mark.parametrize("made_here", [True, False])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_every_case_needs_the_gates_that_see_most(case: Case, made_here: bool) -> None:
    wanted = set(required(case, "seed:7", made_here=made_here))
    assert {"loss", "extremes", "determinism"} < wanted
    assert {"rewrite", "fidelity", "interface"} <= wanted if made_here else "identity" in wanted
    assert ("gelu" in wanted) == (made_here and (case.target, case.precision) == ("pte", "fp16"))
    assert ("delegation" in wanted) == case.target.startswith("pte")
    assert "accuracy" not in wanted
    assert ("accuracy" in required(case, "trained", made_here=made_here)) == (case.target != "eager")
