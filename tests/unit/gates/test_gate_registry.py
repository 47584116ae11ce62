"""Which gates a case needs, on this machine and elsewhere."""

from __future__ import annotations

import pytest
from nano import case as nano

from pe_validate.case import MATRIX, Case
from pe_validate.gates.base import Subject
from pe_validate.gates.registry import BY_NAME, GATES, required, tolerance
from pe_validate.machines.arm64.profiles import HOST, PROFILES


@pytest.mark.parametrize("made_here", [True, False])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_every_case_needs_the_gates_that_see_most(case: Case, made_here: bool) -> None:
    wanted = set(required(Subject(case, "seed:7", made_here=made_here)))
    assert {"loss", "extremes", "determinism"} < wanted
    assert {"rewrite", "fidelity", "interface"} <= wanted if made_here else "identity" in wanted
    assert ("gelu" in wanted) == (made_here and (case.target, case.precision) == ("pte", "fp16"))
    assert ("delegation" in wanted) == case.target.startswith("pte")
    assert "accuracy" not in wanted
    trained = required(Subject(case, "trained", made_here=made_here))
    assert ("accuracy" in trained) == (case.model == "PE-Nano"), "no other model comes with trained weights"


def test_names_of_gates_are_unique() -> None:
    assert len(BY_NAME) == len(GATES)


def test_only_a_gate_that_compares_numbers_has_a_tolerance() -> None:
    with pytest.raises(KeyError, match="delegation compares no numbers"):
        tolerance(nano("fp32"), "delegation")


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_on_another_core_answers_kernels_and_costs_are_asked_for_and_nothing_that_this_machine_has_told(
    precision: str,
) -> None:
    elsewhere = {"parity", "fidelity", "loss"}
    for profile in PROFILES.values():
        found = set(required(Subject(nano(precision), "seed:7", machine=profile)))
        assert found == elsewhere | {"kernels"}
        counted = set(required(Subject(nano(precision), "seed:7", machine=profile, stored_cost=5)))
        assert counted == found | {"cost" if profile.counts else "products"}
    assert set(required(Subject(nano(precision), "seed:7", machine=HOST))) == elsewhere
