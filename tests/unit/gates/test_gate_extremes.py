"""The darkest and the brightest image are answered as the model answers them, each with an artifact that does not."""

from __future__ import annotations

import numpy as np
import pytest
from altered import Answer, altered, sound

from pe_validate.data.verdict import Verdict
from pe_validate.gates.determinism import DETERMINISM
from pe_validate.gates.extremes import EXTREMES
from pe_validate.reference.reference import Reference


def gates(model: Reference, change: Answer) -> dict[str, str]:
    evidence = altered(model, change)
    found = [gate.judge(evidence) for gate in (EXTREMES, DETERMINISM)]
    return {verdict.gate: verdict.status for verdict in found if isinstance(verdict, Verdict)}


def wrong_when(value: float) -> Answer:
    return lambda image, answer: np.full_like(answer, np.nan) if (image == value).all() else answer


def test_a_sound_model_passes_at_the_extremes_and_answers_alike_twice(model: Reference) -> None:
    assert gates(model, sound) == {"extremes": "pass", "determinism": "pass"}


@pytest.mark.parametrize("value", [-1.0, 1.0], ids=["black", "white"])
def test_an_artifact_that_is_wrong_for_one_extreme_image_fails(model: Reference, value: float) -> None:
    assert gates(model, wrong_when(value))["extremes"] == "fail"
