"""Long stages say how far they are, and short ones nothing."""

from __future__ import annotations

import pytest

from pe_validate.data import progress
from pe_validate.data.case import Case
from pe_validate.data.progress import counting, in_words


@pytest.mark.parametrize(
    ("every", "said"),
    [(0.0, ["run, 1 of 3 inputs, 20 s left", "run, 2 of 3 inputs, 10 s left"]), (1000.0, [])],
    ids=["long", "short"],
)
def test_a_long_stage_says_how_many_inputs_are_done(
    monkeypatch: pytest.MonkeyPatch, every: float, said: list[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY", every)
    times = iter((0.0, 0.0, 10.0, 20.0))
    monkeypatch.setattr(progress, "monotonic", lambda: next(times))
    told: list[str] = []
    tell = counting(lambda _, stage: told.append(stage), Case("PE-Nano", "onnx", "fp32"), "run")
    for done in range(3):
        tell(done, 3)
    assert told == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5999, "100 min"), (7200, "2.0 h")]
)
def test_time_left_is_said_in_few_digits(seconds: float, said: str) -> None:
    assert in_words(seconds) == said
