"""The instructions that a program took, judged."""

from __future__ import annotations

import pytest
from nano import case

from pe_validate.data.execution import Execution
from pe_validate.gates.base import Subject
from pe_validate.gates.cost import judge_cost
from pe_validate.gates.registry import required
from pe_validate.machines.arm64.costs import Costs
from pe_validate.machines.arm64.profiles import PROFILES

I8MM = "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm"


@pytest.mark.parametrize(("instructions", "status"), [(900, "pass"), (1000, "pass"), (1030, "pass"), (1031, "fail")])
def test_three_percent_more_instructions_are_allowed(instructions: int, status: str) -> None:
    found = Execution("iphone-14", "it", {I8MM: 5}, instructions=instructions)
    verdict = judge_cost(case("int8"), found, 1000)
    assert verdict.status == status
    assert f"{instructions:,} instructions" in verdict.sentence


def subject(precision: str, profile: str, costs: Costs) -> Subject:
    return Subject(
        case(precision),
        "seed:7",
        machine=PROFILES[profile],
        stored_cost=costs.get(profile, {}).get(str(case(precision))),
    )


def test_a_cost_is_required_where_one_is_stored() -> None:
    costs = {"iphone-14": {"PE-Nano/pte/int8": 5}}
    assert "cost" in required(subject("int8", "iphone-14", costs))
    assert "products" in required(subject("int8", "iphone-16", {"iphone-16": costs["iphone-14"]}))
    assert "cost" not in required(subject("int4", "iphone-14", costs))
    assert "cost" not in required(subject("int8", "iphone-11", costs))
