"""Replay a golden with a file, as a phone does: the file's answers to stored inputs against stored answers."""

from __future__ import annotations

from pathlib import Path

from pe_validate.data.verdict import Verdict
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import judge_numbers
from pe_validate.goldens.golden import unaltered
from pe_validate.machines.isolation import opened
from pe_validate.models.registry import model_named
from pe_validate.targets.open import run
from pe_validate.walk.check import Claim


def replay(folder: Path, claim: Claim) -> Verdict:
    """Judge a file by the golden of its model, and by the limits of its case.

    Raises:
        GoldenError: the golden is missing, altered or out of date.
        RunError: it cannot be executed.
    """
    case = claim.case
    _, stored = unaltered(folder, case.model)
    with opened(case, claim.path, model_named(case.model).interface) as runtime:
        answers = run(runtime, stored.samples)
    return judge_numbers(case, LOSS.name, stored.outputs, answers, LOSS.tolerance(case))
