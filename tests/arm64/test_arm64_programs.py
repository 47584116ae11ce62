"""Programs on emulated iPhone-class cores: the same answers, by the kernels of that core, at the same cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from nano import IMAGES, case, write_undelegated
from places import GOLDENS

from pe_validate.data.artifact import Artifact
from pe_validate.data.execution import Execution
from pe_validate.data.result import Result
from pe_validate.gates.cost import judge_cost
from pe_validate.gates.kernels import judge_kernels
from pe_validate.machines.arm64.costs import stored_costs
from pe_validate.machines.arm64.profiles import PROFILES, Profile
from pe_validate.machines.arm64.runtime import Arm64Runtime, Guest, execution_of
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child
from pe_validate.targets.xnnpack import XNNPACK
from pe_validate.walk.arm64 import validate_on_arm64

COSTS = stored_costs(GOLDENS / "arm64-costs.json")
PRECISIONS = tuple(XNNPACK.precisions)
COUNTED = [name for name, profile in PROFILES.items() if profile.counts]

pytestmark = pytest.mark.xdist_group("programs")


@pytest.fixture(scope="module")
def results() -> Mapping[tuple[str, str], Result]:
    """PE-Nano in every precision on every profile."""
    cases = [case(precision) for precision in PRECISIONS]
    found = validate_on_arm64(cases, list(PROFILES.values()), costs=COSTS)
    return {(str(result.profile), result.case.precision): result for result in found}


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("profile", PROFILES)
def test_every_program_passes_every_gate_on_every_profile(
    profile: str, precision: str, results: Mapping[tuple[str, str], Result]
) -> None:
    result = results[profile, precision]
    said = [verdict.sentence for verdict in result.verdicts if verdict.status != "pass"]
    assert result.status == "pass", (result.error, said, result.missing)
    cost = "cost" if profile in COUNTED else "products"
    assert {verdict.gate for verdict in result.verdicts} == {"parity", "fidelity", "loss", "kernels", cost}


@pytest.mark.parametrize(
    ("profile", "precision", "kernel"),
    [
        ("iphone-11", "int8", "kai_run_matmul_clamp_f32_qai8dxp4x4_qsi8cxp4x4_16x4_neon_dotprod"),
        ("iphone-14", "int8", "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm"),
        ("iphone-16", "int8", "kai_run_matmul_clamp_f32_qai8dxp1vlx4_qsi8cxp4vlx4_1vlx4vl_sme2_mopa"),
        ("iphone-11", "int4", "kai_run_matmul_clamp_f32_qai8dxp4x4_qsi4c32p4x4_16x4_neon_dotprod"),
        ("iphone-14", "int4", "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi4c32p4x8_16x4x32_neon_i8mm"),
        ("iphone-16", "int4", "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi4c32p4x8_16x4x32_neon_i8mm"),
    ],
)
def test_a_quantised_program_is_computed_by_kleidiai(
    profile: str,
    precision: str,
    kernel: str,
    results: Mapping[tuple[str, str], Result],
    program: Callable[..., Artifact],
) -> None:
    """What the kernels counted themselves is, to the last one, what the program says that it multiplies."""
    execution, delegation = results[profile, precision].execution, program(precision).delegation
    assert execution
    assert delegation
    assert execution.kernels[0] == kernel
    quantised = Counter({name: n for name, n in execution.products.items() if "qai8" in name})
    assert quantised.total() == sum(n for name, n in delegation.products.items() if "qd" in name)
    if profile in COUNTED:
        compute = "kernel" if precision == "int4" else "run"  # assembly, where there is a kernel beneath
        assert any(name.startswith(f"kai_{compute}_matmul") for name in execution.shares)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_program_costs_the_same_in_another_process(
    profile: str,
    results: Mapping[tuple[str, str], Result],
    guest_of: Callable[[str], Guest],
    program: Callable[[str], Artifact],
) -> None:
    for precision in ("int4", "fp32", "int8"):  # in another order, too
        first = results[profile, precision].execution
        again = executed(program(precision), guest_of(profile))
        assert first
        assert bool(first.instructions) == (profile in COUNTED)
        assert again.cost == pytest.approx(first.cost, rel=0.001)


@pytest.mark.parametrize("profile", COUNTED)
def test_a_program_that_takes_more_instructions_is_caught(
    profile: str, results: Mapping[tuple[str, str], Result]
) -> None:
    """float32 in place of int8: the answers are better, and only the cost tells."""
    found = results[profile, "fp32"].execution
    assert found
    assert judge_cost(case("fp32"), found, COSTS[profile]["PE-Nano/pte/int8"]).status == "fail"


def executed(artifact: Artifact, guest: Guest) -> Execution:
    runtime = Arm64Runtime(artifact.path, guest)
    runtime.run(IMAGES[0].image)
    return execution_of(runtime, guest)


def test_a_program_that_is_not_what_it_claims_fails_with_what_ran(
    guest_of: Callable[[str], Guest], program: Callable[[str], Artifact]
) -> None:
    plain = program("fp32")
    assert plain.delegation
    found = executed(plain, guest_of("iphone-14"))
    verdict = judge_kernels(case("int8"), PROFILES["iphone-14"], plain.delegation, found)
    assert verdict.status == "fail"
    assert "XNNPACK, in assembly (fmla .4s)" in verdict.sentence


def test_a_program_that_was_not_delegated_fails_with_what_ran(
    guest_of: Callable[[str], Guest], program: Callable[[str], Artifact], tmp_path: Path
) -> None:
    """ExecuTorch's portable operators give the same answers, by kernels that are made for no core."""
    plain = program("fp32")
    assert plain.delegation
    with Child() as child:
        child.call(write_undelegated, 300, tmp_path / "undelegated.pte")
    found = executed(replace(plain, path=tmp_path / "undelegated.pte"), guest_of("iphone-14"))
    verdict = judge_kernels(case("fp32"), PROFILES["iphone-14"], plain.delegation, found)
    assert verdict.status == "fail", found.shares
    assert "XNNPACK, in assembly" not in verdict.sentence.partition("what ran is")[2]


@pytest.mark.parametrize(
    ("precision", "wanted", "ran"), [("int8", "neon_i8mm", "(smull)"), ("int8-static", "multiplies by smmla", "(sm")]
)
def test_a_core_without_these_instructions_falls_back_and_fails_with_what_ran(
    precision: str, wanted: str, ran: str, start: Callable[[Profile], Guest], program: Callable[[str], Artifact]
) -> None:
    """An Armv8.2 core without int8 dot product: XNNPACK computes the same program by its general kernels."""
    old = replace(PROFILES["iphone-14"], cpu="a64fx,sve=off", features=frozenset({"neon", "fullfp16"}))
    quantised = program(precision)
    assert quantised.delegation
    with start(old) as guest:
        found = executed(quantised, guest)
    assert not found.products
    verdict = judge_kernels(case(precision), old, quantised.delegation, found)
    assert verdict.status == "fail"
    assert wanted in verdict.sentence
    assert ran in verdict.sentence


@pytest.mark.parametrize(
    ("profile", "cpu"),
    [
        ("iphone-14", "cortex-a76"),
        ("iphone-11", "max,sve=off,sme=off"),
        ("iphone-11", "cortex-a53"),
        ("iphone-14", "max,sme=off"),
        ("iphone-16", "max,sve=off,sme=off"),
        ("iphone-16", "max,sve=off,sme256=on"),
    ],
)
def test_a_guest_with_other_features_than_the_phone_is_refused(
    profile: str, cpu: str, start: Callable[[Profile], Guest]
) -> None:
    with pytest.raises(RunError, match=f"The guest of {profile} has .*its cores have"):
        start(replace(PROFILES[profile], cpu=cpu))
