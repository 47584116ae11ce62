"""Tables of the kernels that ran each program on each arm64 CPU, and of the costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pe_validate.data.result import Result

COLUMNS: Final = ("case", "profile", "kernels", "cost")


def to_kernel_table(results: Sequence[Result]) -> list[str]:
    """Return the lines of a Markdown table, a row for each program on each profile; no lines without rows."""
    rows = kernel_rows(results)
    lines = ["| " + " | ".join(row) + " |" for row in (COLUMNS, ("---", "---", "---", "---:"), *rows)]
    return [*lines, ""] if rows else []


def kernel_lines(results: Sequence[Result]) -> list[str]:
    """Return lines for the terminal: each program, and below it the kernels that ran."""
    rows = kernel_rows(results, mark="", joint="\n  ")
    return [f"{case} on {profile}, {cost}:\n  {kernels}" for case, profile, kernels, cost in rows]


def kernel_rows(results: Sequence[Result], mark: str = "`", joint: str = ", ") -> list[tuple[str, str, str, str]]:
    """Return the cells of :data:`COLUMNS` for each program on each profile whose cost is known.

    ``mark`` is put around the names of kernels, ``joint`` between them.
    """
    return [_row(result, mark, joint) for result in results if result.execution and result.execution.cost]


def _row(result: Result, mark: str, joint: str) -> tuple[str, str, str, str]:
    found = result.execution
    assert found is not None
    total = sum(found.products.values())
    did = {name: f" {count / total:.1%} of products" for name, count in found.products.items()}
    took = {name: f" {share:.0%} of instructions" for name, share in found.shares.items()}
    kernels = joint.join(f"{mark}{name}{mark}{did.get(name) or took[name]}" for name in found.kernels)
    unit = "instructions" if found.instructions else "products"
    return str(result.case), found.profile, kernels or "–", f"{found.cost / 1e6:,.1f} million {unit}"
