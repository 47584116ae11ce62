"""The kernels that ran and the instructions that they took, judged."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pe_validate.gates.verdicts import ARITHMETIC
from pe_validate.machines.arm64.examination import (
    KERNELS,
    RIVALS,
    XNNPACK,
    answers_here,
    judge_cost,
    judge_kernels,
    required,
    store_costs,
    stored_costs,
)

from pe_validate.case import PRECISIONS, Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.execution import Execution
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.machines.arm64.profiles import PROFILES, features_in, profile_named
from pe_validate.reference.reference import reference
from pe_validate.system.errors import GoldenError, RunError, UsageError

I8MM = "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm"
DOTPROD = "kai_run_matmul_clamp_f32_qai8dxp4x4_qsi8cxp4x4_16x4_neon_dotprod"
PRODUCTS = 1_000_000
GOLDENS = Path(__file__).parents[3] / "golden"
PHONE = PROFILES["iphone-14"]


def case(precision: str) -> Case:
    return Case("PE-Nano", "pte", precision)


def judged(
    precision: str, products: dict[str, int], shares: dict[str, float] | None = None, made: str | None = None
) -> Verdict:
    """A program of ``precision`` whose linear layers have the operand types of ``made``."""
    delegation = Delegation(1, (), {f"linear {ARITHMETIC[made or precision]}": PRODUCTS, "bmm fp32 × fp32": PRODUCTS})
    return judge_kernels(case(precision), PHONE, delegation, Execution("iphone-14", "it", products, shares or {}))


def test_all_products_in_the_wanted_kernel_pass_and_it_is_named() -> None:
    verdict = judged("int8", {I8MM: PRODUCTS})
    assert verdict.status == "pass"
    assert I8MM in verdict.sentence
    assert "100.0%" in verdict.sentence


@pytest.mark.parametrize(("share", "status"), [(0.991, "pass"), (0.989, "fail"), (0.5, "fail"), (0, "fail")])
def test_the_wanted_kernel_must_compute_nearly_everything(share: float, status: str) -> None:
    verdict = judged("int8", {I8MM: int(share * PRODUCTS), DOTPROD: PRODUCTS - int(share * PRODUCTS)})
    assert verdict.status == status


def test_a_more_general_kernel_fails_and_is_named_with_what_else_ran() -> None:
    verdict = judged("int8", {DOTPROD: PRODUCTS}, {"XNNPACK, in assembly (fmla .4s)": 0.75})
    assert verdict.status == "fail"
    assert f"{DOTPROD} (1,000,000 products)" in verdict.sentence
    assert "XNNPACK, in assembly (fmla .4s) (75% of the instructions)" in verdict.sentence


def test_a_float32_program_that_is_called_int8_fails() -> None:
    verdict = judged("int8", {}, {"XNNPACK, in assembly (fmla .4s)": 0.9}, made="fp32")
    assert verdict.status == "fail"
    assert "XNNPACK, in assembly (fmla .4s) (90% of the instructions)" in verdict.sentence


def test_kernels_for_other_weights_do_not_count() -> None:
    int4 = "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi4c32p4x8_16x4x32_neon_i8mm"
    assert judged("int4", {int4: PRODUCTS}).status == "pass"
    assert judged("int4", {I8MM: PRODUCTS}).status == "fail"
    assert judged("int8", {int4: PRODUCTS}).status == "fail"


@pytest.mark.parametrize(
    ("precision", "most", "status"),
    [
        ("fp32", "XNNPACK, in assembly (fmla .4s)", "pass"),
        ("fp32", "XNNPACK or ExecuTorch +0x10", "fail"),
        ("int8-static", "XNNPACK or ExecuTorch +0x10 (smmla)", "pass"),
        ("int8-static", "XNNPACK or ExecuTorch +0x10 (sdot)", "fail"),
        ("int8-static", "XNNPACK or ExecuTorch +0x10 (fmla .4s)", "fail"),
        ("fp16", "XNNPACK, in assembly (fmla .8h)", "pass"),
        ("fp16", "XNNPACK, in assembly (fmla .4s)", "fail"),
    ],
)
def test_a_kernel_of_xnnpack_is_known_by_the_instruction_that_it_multiplies_with(
    precision: str, most: str, status: str
) -> None:
    assert judged(precision, {}, {most: 0.6, "another": 0.2}).status == status


@pytest.mark.parametrize(
    ("shares", "status"),
    [
        ({"attention (fmla .4s)": 0.57, "layers (smmla)": 0.25, "a row (sdot)": 0.01}, "pass"),
        ({"attention (fmla .4s)": 0.57, "layers (sdot)": 0.25, "some (smmla)": 0.1}, "fail"),
        ({"attention (fmla .4s)": 0.57, "some (smmla)": 0.05}, "fail"),
        ({"everything (fmla .4s)": 0.9}, "fail"),
        ({}, "fail"),
    ],
)
def test_float32_attention_does_not_hide_which_kernel_computes_int8(shares: dict[str, float], status: str) -> None:
    assert judged("int8-static", {}, shares).status == status


def test_a_float_program_that_is_mostly_something_else_fails() -> None:
    assert judged("fp32", {}, {"XNNPACK, in assembly (fmla .4s)": 0.5, "another": 0.4}).status == "fail"


def test_every_precision_has_its_kernels_on_every_profile() -> None:
    every = {(precision, profile) for precision in PRECISIONS["pte"] for profile in PROFILES}
    assert KERNELS.keys() | XNNPACK.keys() == every
    assert not KERNELS.keys() & XNNPACK.keys()
    assert all(instruction in RIVALS[precision] for (precision, _), instruction in XNNPACK.items())


@pytest.mark.parametrize(("instructions", "status"), [(900, "pass"), (1000, "pass"), (1030, "pass"), (1031, "fail")])
def test_three_percent_more_instructions_are_allowed(instructions: int, status: str) -> None:
    found = Execution("iphone-14", "it", {I8MM: 5}, instructions=instructions)
    verdict = judge_cost(case("int8"), found, 1000)
    assert verdict.status == status
    assert f"{instructions:,} instructions" in verdict.sentence


@pytest.mark.parametrize(("products", "status"), [(969, "fail"), (970, "pass"), (1030, "pass"), (1031, "fail")])
def test_where_none_are_counted_kleidiai_must_compute_as_much_as_it_did(products: int, status: str) -> None:
    found = Execution("iphone-16", "it", {I8MM: products - 1, DOTPROD: 1})
    verdict = judge_cost(case("int8"), found, 1000)
    assert (verdict.gate, verdict.status) == ("products", status)
    assert f"{products:,} products" in verdict.sentence


def test_stored_costs_are_replaced_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    store_costs(path, {("iphone-14", case("int8")): 5, ("iphone-11", case("fp32")): 6})
    store_costs(path, {("iphone-14", case("int4")): 7, ("iphone-11", case("fp32")): 8})
    assert stored_costs(path) == {
        "iphone-11": {"PE-Nano/pte/fp32": 8},
        "iphone-14": {"PE-Nano/pte/int4": 7, "PE-Nano/pte/int8": 5},
    }


def test_damaged_costs_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    for cost in ('"many"', "0", "-1", "9" * 400):
        path.write_text(f'{{"iphone-14": {{"PE-Nano/pte/int8": {cost}}}}}')
        with pytest.raises(GoldenError, match="restore it"):
            stored_costs(path)


def test_costs_that_never_end_are_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "costs.json")
    with pytest.raises(GoldenError, match="restore it"):
        stored_costs(tmp_path / "costs.json")


def test_costs_that_are_not_there_are_missed(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="There are no costs at"):
        stored_costs(tmp_path / "costs.json")


def test_the_page_shows_what_is_stored() -> None:
    stored = stored_costs(GOLDENS / "arm64-costs.json")
    page = (GOLDENS.parent / "docs" / "arm64.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (PE-\S+) \|" + r" ([\d.,]+|–) \|" * len(PROFILES) + "$", page, re.MULTILINE)
    found = {(profile, case): shown for case, *cells in rows for profile, shown in zip(PROFILES, cells, strict=True)}
    wanted = {(profile, case): f"{n / 1e6:,.1f}" for profile, costs in stored.items() for case, n in costs.items()}
    assert {at: shown for at, shown in found.items() if shown != "–"} == wanted


def test_a_cost_is_required_where_one_is_stored() -> None:
    costs = {"iphone-14": {"PE-Nano/pte/int8": 5}}
    assert "cost" in required(case("int8"), PHONE, costs)
    assert "products" in required(case("int8"), PROFILES["iphone-16"], {"iphone-16": costs["iphone-14"]})
    assert "cost" not in required(case("int4"), PHONE, costs)
    assert "cost" not in required(case("int8"), PROFILES["iphone-11"], costs)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_only_float16_may_be_more_than_this_cpu_can_compute(precision: str, tmp_path: Path) -> None:
    path = tmp_path / "refused.pte"
    path.write_bytes(b"what no runtime takes")
    artifact = Artifact(case(precision), path, "", 0, (), (), "", "", {}, 0.0)
    model = reference("PE-Nano")
    if precision == "fp16":
        assert answers_here(artifact, model) is None
    else:
        with pytest.raises(RunError):
            answers_here(artifact, model)


def test_features_are_read_from_the_auxiliary_vector() -> None:
    assert features_in((0b10, 0, 0)) == {"neon"}
    assert features_in((1 << 20 | 1 << 1, 1 << 13, 64)) == {"neon", "dotprod", "i8mm", "512-bit streaming"}


def test_an_unknown_profile_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="iphone-11, iphone-14, iphone-16"):
        profile_named("iphone-3")
