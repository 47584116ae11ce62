"""Every artifact replays the stored answers, as an iPhone will, and what verdicts rest on is what was sealed."""

import pytest
from places import GOLDENS

from pe_validate.case import Case
from pe_validate.gates.numbers import judge_numbers
from pe_validate.gates.registry import tolerance
from pe_validate.goldens import golden
from pe_validate.models.registry import WITH_GOLDENS
from pe_validate.targets.open import Runtime, run


def test_replays_its_golden(pe_case: Case, pe_runtime: Runtime, request: pytest.FixtureRequest) -> None:
    if pe_case.model not in WITH_GOLDENS:
        pytest.skip(f"no answers of {pe_case.model} are stored, see WITH_GOLDENS")
    entry, stored = golden.unaltered(GOLDENS, pe_case.model)
    if request.config.getoption("--pe-weights") != entry.weights:
        pytest.skip(f"goldens are of {entry.weights}; these weights have none")
    actual = run(pe_runtime, stored.samples)
    verdict = judge_numbers(pe_case, "loss", stored.outputs, actual, tolerance(pe_case, "loss"))
    assert verdict.status == "pass", verdict.sentence
