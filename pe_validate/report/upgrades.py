"""Render what ``pe-validate upgrade`` found: a table for the terminal, Markdown, and JSON, and write them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.data.upgrade import Crossing, Difference, Side, UpgradeReport
from pe_validate.report.render import COLOUR, to_row
from pe_validate.report.tables import rows_to_json, write_files

JSON_NAME: Final = "upgrade.json"
MARKDOWN_NAME: Final = "upgrade.md"
Shown = Callable[[Side], str]

GATES: Final = ("fidelity", "loss")
"""Gates whose SNR has a column: against the lowered graph, and against float32."""

COLUMNS: Final = (
    *("case", "result", *(f"{gate}, dB" for gate in GATES), "new against old, dB"),
    *("old file, new runtime", "new file, old runtime", "MB", "delegate calls", "outside", "operators", "lowering, s"),
)


def to_table(report: UpgradeReport) -> RenderableType:
    """Return a table for the terminal, 80 columns wide, with the limits that are passed below it."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("case", overflow="fold")
    for heading in ("loss\ndB", "new : old\ndB", "old file,\nnew runtime", "new file,\nold runtime", "result"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in report.rows:
        table.add_row(
            Text(str(row.case)),
            _snr(row, "loss"),
            _db(row.between.snr_db) if row.between else "–",
            *(_crossing(row, place) for place in range(2)),
            Text(row.outcome, COLOUR[row.outcome]),
        )
    return Group(*map(Text, report.headlines), "", table, "", *map(Text, _sentences(report)))


def _sentences(report: UpgradeReport) -> Iterator[str]:
    for row in report.rows:
        yield from row.passed
        if row.outcome == "error":
            yield f"{row.case}: it could be judged with neither toolchain: {row.new.error or row.new.failed}"


def to_markdown(report: UpgradeReport) -> str:
    """Return Markdown: a row for each case, old → new where the two differ, and each limit that is passed."""
    return "\n".join(
        [
            f"# {report.command}",
            "",
            *(f"{line}\n" for line in report.headlines),
            *markdown_rows(report),
            "",
            *(f"- {sentence}" for sentence in _sentences(report)),
            f"\nWeights `{report.weights}`. Made {report.created.isoformat()} on {report.machine} in "
            f"{report.seconds:.0f} s.",
            "",
        ]
    )


def markdown_rows(report: UpgradeReport) -> list[str]:
    """Return the table of the Markdown."""
    rows = [to_row(_cells(row)) for row in report.rows]
    return [to_row(COLUMNS), to_row(["---"] * 2 + ["---:"] * (len(COLUMNS) - 2)), *rows]


def _cells(row: Difference) -> Iterator[str]:
    yield str(row.case)
    yield row.outcome
    yield from (_snr(row, gate) for gate in GATES)
    yield _db(row.between.snr_db) if row.between else "–"
    yield from (_crossing(row, place) for place in range(2))
    yield _both(row, lambda side: "–" if side.bytes is None else f"{side.bytes / 1e6:.2f}")
    yield _both(row, lambda side: "–" if side.calls is None else str(side.calls))
    yield _both(row, lambda side: "–" if side.calls is None else str(len(side.outside)))
    yield ", ".join(f"{name} {before} → {after}" for name, (before, after) in row.changed_operators.items()) or "same"
    yield _both(row, lambda side: "–" if side.lowering_s is None else f"{side.lowering_s:.1f}")


def _both(row: Difference, shown: Shown) -> str:
    before, after = shown(row.old), shown(row.new)
    return before if before == after else f"{before} → {after}"


def _snr(row: Difference, gate: str) -> str:
    return _both(row, lambda side: _db(side.snr_db[gate]) if gate in side.snr_db else side.status)


def _db(value: float) -> str:
    return "equal" if value == float("inf") else f"{value:.1f}"


def _crossing(row: Difference, place: int) -> str:
    found: Crossing | None = row.crossings[place] if place < len(row.crossings) else None
    if found is None:
        return "–"
    return "refused" if found.refused else _db(found.change.snr_db) if found.change else "runs"


def to_json(report: UpgradeReport) -> bytes:
    """Return indented JSON, headlines first; each row has its outcome and the operators that differ."""
    return rows_to_json(report, "outcome", "changed_operators")


def write(report: UpgradeReport, folder: Path) -> None:
    """Write ``upgrade.json`` and ``upgrade.md`` into ``folder``.

    Raises:
        ReportError: it cannot be written.
    """
    write_files(folder, {JSON_NAME: to_json(report), MARKDOWN_NAME: to_markdown(report).encode()})
