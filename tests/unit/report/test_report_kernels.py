"""A program that ran on arm64 is shown with where it ran and which kernels computed it."""

from __future__ import annotations

import io
from dataclasses import replace

import sample_reports as sample
from rich.console import Console

from pe_validate.data.execution import Execution
from pe_validate.data.report import Report
from pe_validate.report.render import to_junit, to_markdown, to_terminal

I8MM = "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm"
SINGLE = "kai_run_matmul_clamp_f32_qai8dxp1x8_qsi8cxp4x8_1x4_neon_dotprod"
ASSEMBLY = "XNNPACK, in assembly (fmla .4s)"


def report() -> Report:
    """The same case on two profiles; KleidiAI computed the first."""
    quantised = Execution("iphone-14", "ExecuTorch 1.3.1, emulated", {I8MM: 999, SINGLE: 1}, {ASSEMBLY: 0.6}, 1_500_000)
    plain = Execution("iphone-11", "ExecuTorch 1.3.1, emulated", {}, {ASSEMBLY: 0.88, "another": 0.04}, 9_000_000)
    return sample.report(
        *(replace(sample.passing(sample.PTE), profile=found.profile, execution=found) for found in (quantised, plain))
    )


def test_markdown_has_a_row_for_each_program_on_each_profile() -> None:
    lines = to_markdown(report()).splitlines()
    name = "PE-Core-T16-384/pte/fp32"
    kernels = f"`{I8MM}` 99.9% of products, `{SINGLE}` 0.1% of products"
    assert f"| {name} | iphone-14 | {kernels} | 1.5 million instructions |" in lines
    assert f"| {name} | iphone-11 | `{ASSEMBLY}` 88% of instructions | 9.0 million instructions |" in lines


def test_a_report_of_this_machine_alone_has_no_such_table() -> None:
    assert "iphone" not in to_markdown(sample.mixed())


def test_profiles_are_kept_apart_and_the_runtime_is_named() -> None:
    found = to_junit(report())
    assert 'classname="PE-Core-T16-384/pte/fp32 on iphone-11"' in found
    assert 'classname="PE-Core-T16-384/pte/fp32 on iphone-14"' in found
    assert "arm64 programs were run by ExecuTorch 1.3.1, emulated; no phone ran them." in report().headlines


def test_what_is_held_to_no_cost_is_said_in_the_first_lines() -> None:
    (line,) = [line for line in report().headlines if line.startswith("Not held to a stored cost")]
    assert "PE-Core-T16-384/pte/fp32 on iphone-11" in line


def test_what_this_machine_cannot_compute_is_said_in_the_first_lines() -> None:
    alone = [line for line in report().headlines if line.startswith("Not held to this machine")]
    assert len(alone) == 1
    assert "PE-Core-T16-384/pte/fp32 on iphone-11" in alone[0]


def test_the_terminal_names_the_kernels_in_full() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(to_terminal(report()))
    assert isinstance(console.file, io.StringIO)
    assert I8MM in console.file.getvalue()
