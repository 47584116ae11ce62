"""The matrix of a page: a row for each target and precision, a column for each model, shaded by margin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from pe_validate.report.margins import in_words, of_case

if TYPE_CHECKING:
    from pe_validate.data.report import Report
    from pe_validate.data.result import Result

SHADES: Final = (0.0625, 0.125, 0.25, 0.5, 0.71, 1.0, 4.0)
"""Fractions of the limit at which one shade gives way to the next: 6 dB apart, and 3 dB before the limit."""

MARKS: Final = {"pass": "✓", "fail": "✗", "error": "!"}
"""A sign for each outcome, so that no reader depends on colour."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The case in a place of the matrix: what is written there, its class in the style sheet, all of it in words."""

    name: str
    status: str
    text: str
    shade: str
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """A precision of a target, on a profile if it ran on one; a cell for each model, None where none ran."""

    precision: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """The columns, and the rows by target."""

    models: tuple[str, ...]
    targets: tuple[tuple[str, tuple[Row, ...]], ...]


def matrix_of(report: Report) -> Matrix:
    """Return the matrix of a report, in the order of its results."""
    models = tuple(dict.fromkeys(result.case.model for result in report.results))
    found: dict[tuple[str, str], dict[str, Result]] = {}
    for result in report.results:
        precision = result.case.precision + (f" on {result.profile}" if result.profile else "")
        found.setdefault((result.case.target, precision), {}).setdefault(result.case.model, result)
    targets = list(dict.fromkeys(target for target, _ in found))
    ordered = sorted(found, key=lambda key: targets.index(key[0]))  # stable: precisions stay in their order
    rows = ((target, Row(precision, _cells(models, found[target, precision]))) for target, precision in ordered)
    return Matrix(
        models, tuple((target, tuple(row for _, row in each)) for target, each in groupby(rows, lambda row: row[0]))
    )


def _cells(models: Iterable[str], results: dict[str, Result]) -> tuple[Cell | None, ...]:
    return tuple(cell(results[model]) if model in results else None for model in models)


def cell(result: Result) -> Cell:
    """Return the cell of a case."""
    margin, status = of_case(result), result.status
    failed = [verdict.gate for verdict in result.verdicts if verdict.status != "pass"]
    beyond = margin is not None and margin.used > 1
    if status == "fail" and not beyond:  # of a gate that has no margin
        return Cell(result.name, status, failed[0], shade(2.0), f"{result.name}: fails {', '.join(failed)}")
    if status == "error":
        return Cell(result.name, status, "none", "none", f"{result.name}: could not be run or judged")
    if margin is None:
        return Cell(result.name, status, status, shade(0.0), f"{result.name}: {status}, no gate compares numbers")
    where = f"{margin.gate} uses {in_words(margin.used)} of its limit"
    outcome = f"fails {', '.join(failed)}; " if failed else "passes; "
    return Cell(result.name, status, in_words(margin.used), shade(margin.used), f"{result.name}: {outcome}{where}")


def shade(used: float) -> str:
    """Return the class of a fraction of a limit: ``u0`` for the most headroom, ``u6`` and ``u7`` beyond the limit."""
    return f"u{sum(used > end for end in SHADES)}"
