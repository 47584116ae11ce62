"""Two backends are compared where both have answered, and nothing is asked of one that is alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from altered import EvidenceOf

from pe_validate.data.outputs import Array
from pe_validate.gates.backends import BACKENDS
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.registry import tolerance
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime


def scaled(model: Reference, scale: float) -> dict[str, Array]:
    return {name: value * np.float32(scale) for name, value in model.trained.features.items()}


def evidence(model: Reference, **scales: float) -> Evidence:
    """Of the model in the place of a Core ML program; its partners answer so many times as much."""
    partners = [replace(model.trained, producer=name, features=scaled(model, each)) for name, each in scales.items()]
    found = EvidenceOf(model, EagerRuntime(model.module, model.model), *partners)
    found.subject = Subject(replace(found.case, target="pte-coreml"), model.weights.spec)
    return found


@pytest.mark.parametrize(("scale", "status"), [(1, "pass"), (1 + 1e-7, "pass"), (1.001, "fail")])
def test_a_partner_is_held_to_the_row_of_backends(model: Reference, scale: float, status: str) -> None:
    verdict = BACKENDS.judge(evidence(model, ExecuTorch=scale))
    assert verdict
    assert (verdict.gate, verdict.status, verdict.reference) == ("backends", status, "ExecuTorch")
    assert verdict.tolerance == tolerance(verdict.case, "backends")


@pytest.mark.parametrize(("first", "second", "status"), [(1, 1, "pass"), (1, 1.001, "fail"), (1.001, 1, "fail")])
def test_each_of_two_partners_is_compared_and_the_worst_is_told(
    model: Reference, first: float, second: float, status: str
) -> None:
    verdict = BACKENDS.judge(evidence(model, One=first, Other=second))
    assert verdict
    assert verdict.status == status
    assert status == "pass" or verdict.reference == ("One" if first > 1 else "Other")


def test_without_a_partner_there_is_nothing_to_judge_and_nothing_is_missed(model: Reference) -> None:
    alone = evidence(model)
    assert BACKENDS.judge(alone) is None
    assert BACKENDS.optional
    assert not BACKENDS.required(alone.subject)
