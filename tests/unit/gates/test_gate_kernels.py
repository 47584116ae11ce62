"""The kernels that ran, judged."""

from __future__ import annotations

import re

import pytest
from nano import case

from pe_validate.data.execution import Execution
from pe_validate.data.machine import KleidiKernel, XnnpackKernel
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.kernels import judge_kernels
from pe_validate.machines.arm64.profiles import PROFILES
from pe_validate.targets.xnnpack import XNNPACK

I8MM = "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm"
DOTPROD = "kai_run_matmul_clamp_f32_qai8dxp4x4_qsi8cxp4x4_16x4_neon_dotprod"
PRODUCTS = 1_000_000
PHONE = PROFILES["iphone-14"]


def judged(
    precision: str, products: dict[str, int], shares: dict[str, float] | None = None, made: str | None = None
) -> Verdict:
    """A program of ``precision`` whose linear layers have the operand types of ``made``."""
    delegation = Delegation(
        1, (), {f"linear {XNNPACK.operands[made or precision]}": PRODUCTS, "bmm fp32 × fp32": PRODUCTS}
    )
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
    assert XNNPACK.operands.keys() == XNNPACK.precisions.keys()
    for profile in PROFILES.values():
        assert profile.kernels.keys() == set(XNNPACK.operands.values())
        by_instruction = [kernel for kernel in profile.kernels.values() if isinstance(kernel, XnnpackKernel)]
        assert all(kernel.instruction in kernel.rivals for kernel in by_instruction)
        assert all(re.compile(k.pattern) for k in profile.kernels.values() if isinstance(k, KleidiKernel))
