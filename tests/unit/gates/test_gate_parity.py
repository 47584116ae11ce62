"""Another core is held to this machine's answers, and excused where this machine has none."""

from __future__ import annotations

from altered import CASE, EvidenceOf

from pe_validate.gates.base import Subject
from pe_validate.gates.parity import PARITY
from pe_validate.gates.registry import judge
from pe_validate.machines.arm64.profiles import HOST
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime


def elsewhere(model: Reference) -> EvidenceOf:
    found = EvidenceOf(model, EagerRuntime(model.module, model.model))
    found.subject = Subject(CASE, model.weights.spec, machine=HOST)
    return found


def test_where_this_machine_cannot_compute_parity_is_excused(model: Reference) -> None:
    evidence = elsewhere(model)
    assert PARITY.required(evidence.subject)
    assert PARITY.excused(evidence)
    assert PARITY.judge(evidence) is None
    needed, verdicts = judge(evidence)
    assert "parity" not in needed
    assert "parity" not in {verdict.gate for verdict in verdicts}
    assert "loss" in needed


def test_where_it_can_parity_is_not_excused(model: Reference) -> None:
    evidence = elsewhere(model)
    evidence.native = model.trained
    assert not PARITY.excused(evidence)
