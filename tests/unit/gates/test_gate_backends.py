"""Two backends are compared where both have answered, and nothing is asked of one that is alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from altered import EvidenceOf

from pe_validate.gates.backends import BACKENDS
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.registry import tolerance
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime


def evidence(model: Reference, scale: float | None) -> Evidence:
    """Of the model in the place of a Core ML program; its partner answers ``scale`` times as much."""
    partner = None
    if scale is not None:
        features = {name: value * np.float32(scale) for name, value in model.trained.features.items()}
        partner = replace(model.trained, producer="ExecuTorch", features=features)
    found = EvidenceOf(model, EagerRuntime(model.module, model.model), partner)
    found.subject = Subject(replace(found.case, target="pte-coreml"), model.weights.spec)
    return found


@pytest.mark.parametrize(("scale", "status"), [(1, "pass"), (1 + 1e-7, "pass"), (1.001, "fail")])
def test_a_partner_is_held_to_the_row_of_backends(model: Reference, scale: float, status: str) -> None:
    verdict = BACKENDS.judge(evidence(model, scale))
    assert verdict
    assert (verdict.gate, verdict.status, verdict.reference) == ("backends", status, "ExecuTorch")
    assert verdict.tolerance == tolerance(verdict.case, "backends")


def test_without_a_partner_there_is_nothing_to_judge_and_nothing_is_missed(model: Reference) -> None:
    alone = evidence(model, None)
    assert BACKENDS.judge(alone) is None
    assert BACKENDS.optional
    assert not BACKENDS.required(alone.subject)
