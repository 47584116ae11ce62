"""The same image gets the same answer, whatever came between: with artifacts that keep state, or drift."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from altered import Answer, Values, altered

from pe_validate.gates.determinism import DETERMINISM
from pe_validate.reference.reference import Reference


def lagging() -> Answer:
    kept: list[Values] = []

    def change(image: Values, answer: Values) -> Values:
        kept.append(answer)
        return kept[max(0, len(kept) - 2)]

    return change


def drifting() -> Answer:
    """By one more step of float32 at each call."""
    calls = count()

    def change(image: Values, answer: Values) -> Values:
        for _ in range(next(calls)):
            answer = np.nextafter(answer, np.inf, dtype=np.float32, casting="unsafe")
        return answer

    return change


@pytest.mark.parametrize("change", [lagging, drifting])
def test_an_artifact_that_answers_otherwise_the_second_time_fails(
    model: Reference, change: Callable[[], Answer]
) -> None:
    verdict = DETERMINISM.judge(altered(model, change()))
    assert verdict
    assert verdict.status == "fail"
