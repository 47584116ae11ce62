"""Which kernels computed a program on which arm64 CPU, and with how many instructions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pe_validate.report.model import Result

COLUMNS: Final = ("case", "profile", "kernels", "instructions")


def to_kernel_table(results: Sequence[Result]) -> list[str]:
    """Lines of Markdown, a row for each program on each profile, with an empty one after them; none without any."""
    rows = [_row(result) for result in results if result.execution]
    lines = ["| " + " | ".join(row) + " |" for row in (COLUMNS, ("---", "---", "---", "---:"), *rows)]
    return [*lines, ""] if rows else []


def kernel_lines(results: Sequence[Result]) -> list[str]:
    """For people at a prompt: a program, and beneath it what computed it."""
    lines = []
    for result in results:
        if result.execution:
            _, _, kernels, instructions = _row(result, mark="", joint="\n  ")
            lines.append(f"{result.name}, instructions {instructions}:\n  {kernels}")
    return lines


def _row(result: Result, mark: str = "`", joint: str = ", ") -> tuple[str, str, str, str]:
    found = result.execution
    assert found is not None
    total = sum(found.products.values())
    did = {name: f" {count / total:.1%} of products" for name, count in found.products.items()}
    took = {name: f" {share:.0%} of instructions" for name, share in found.shares.items()}
    kernels = joint.join(f"{mark}{name}{mark}{did.get(name) or took[name]}" for name in found.kernels)
    instructions = f"{found.instructions / 1e6:,.1f} million" if found.instructions else "not counted"
    return str(result.case), found.profile, kernels or "–", instructions
