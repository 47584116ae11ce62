"""Long stages say how far they are, and short ones nothing."""

from __future__ import annotations

import pytest

from pe_validate.data import progress
from pe_validate.data.case import Case
from pe_validate.data.progress import counting


@pytest.mark.parametrize(
    ("every", "said"), [(0.0, ["run, 1 of 3 inputs", "run, 2 of 3 inputs"]), (1000.0, [])], ids=["long", "short"]
)
def test_a_long_stage_says_how_many_inputs_are_done(
    monkeypatch: pytest.MonkeyPatch, every: float, said: list[str]
) -> None:
    monkeypatch.setattr(progress, "EVERY", every)
    told: list[str] = []
    tell = counting(lambda _, stage: told.append(stage), Case("PE-Nano", "onnx", "fp32"), "run")
    for done in range(3):
        tell(done, 3)
    assert told == said
