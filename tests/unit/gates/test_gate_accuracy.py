"""Accuracy may be lost down to a limit."""

from __future__ import annotations

import pytest

from pe_validate.case import Case
from pe_validate.data.limits import AccuracyTolerance
from pe_validate.data.tasks import Accuracy
from pe_validate.gates.accuracy import judge_accuracy

INT8 = Case("PE-Core-T16-384", "pte", "int8")


@pytest.mark.parametrize(("top1", "status"), [(0.900, "pass"), (0.895, "pass"), (0.894, "fail"), (0.95, "pass")])
def test_accuracy_may_lose_what_the_table_allows_and_gain_anything(top1: float, status: str) -> None:
    row = AccuracyTolerance(0.5, 0.1, "someone said so.")
    verdict = judge_accuracy(INT8, "a runtime", Accuracy(top1, 0.9, 1000), row)
    assert verdict.status == status
    assert f"{top1:.1%} of 1000 held-out images, float32 90.0%" in verdict.sentence
