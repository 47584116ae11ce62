"""Every artifact replays the stored answers, as an iPhone will, and what verdicts rest on is what was sealed."""

from pathlib import Path

import pytest

from pe_validate.case import Case
from pe_validate.gates.verdicts import judge
from pe_validate.goldens import golden
from pe_validate.inputs.images import samples
from pe_validate.targets.open import Runtime, run

GOLDENS = Path(__file__).parents[2] / "golden"


def test_replays_its_golden(pe_case: Case, pe_runtime: Runtime, request: pytest.FixtureRequest) -> None:
    entry, stored = golden.unaltered(GOLDENS, pe_case.model)
    if request.config.getoption("--pe-weights") != entry.weights:
        pytest.skip(f"goldens are of {entry.weights}; these weights have none")
    verdict = judge(pe_case, "loss", stored.outputs, run(pe_runtime, samples(stored.pixels)))
    assert verdict.status == "pass", verdict.sentence
