"""Render what ``pe-validate accuracy`` found: a table for the terminal, Markdown, and JSON, and write them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.data.classification import AccuracyReport, Classification, Task
from pe_validate.models.registry import model_named
from pe_validate.report.render import COLOUR, to_row
from pe_validate.report.stored import this_machine, this_second
from pe_validate.report.tables import rows_to_json, write_files
from pe_validate.system.legible import legible

JSON_NAME: Final = "accuracy.json"
MARKDOWN_NAME: Final = "accuracy.md"
COLUMNS: Final = ("case", "top-1", "top-5", "by class", "against float32, points", "lost / won", "p", "result")


def make_report(
    command: str,
    weights: str,
    task: Task,
    rows: tuple[Classification, ...],
    broken: Mapping[str, str],
) -> AccuracyReport:
    """Return the report of ``command``, made now on this machine, with every string printable."""
    known = {row.case.model: model_named(row.case.model).imagenet for row in rows}
    made = AccuracyReport(
        command,
        weights,
        task,
        images=rows[0].top1.of,
        broken=dict(broken),
        rows=rows,
        published={model: top1 for model, top1 in known.items() if top1 is not None},
        machine=this_machine(),
        created=this_second(),
    )
    return legible(made)


def to_table(report: AccuracyReport) -> RenderableType:
    """Return a table for the terminal, 80 columns wide, with what is wrong below it."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("case", overflow="fold")
    for heading in ("top-1, %", "top-5, %", "against float32, points", "result"):
        table.add_column(heading, justify="right")
    for row in report.rows:
        result = row.outcome or "–"
        table.add_row(
            Text(row.name),
            f"{100 * row.top1.value:.2f}",
            f"{100 * row.top5.value:.2f}",
            str(row.change) if row.change else "–",
            Text(result, COLOUR.get(result, "")),
        )
    wrong = [Text(row.sentence) for row in report.rows if row.outcome not in (None, "pass")]
    return Group(*map(Text, report.headlines), "", table, *([""] if wrong else []), *wrong)


def to_markdown(report: AccuracyReport) -> str:
    """Return Markdown: a row for PyTorch and for each artifact, then each finding as a sentence."""
    lines = [f"# {report.command}", "", *(f"{line}\n" for line in report.headlines)]
    lines += [to_row(COLUMNS), to_row(["---"] + ["---:"] * (len(COLUMNS) - 1))]
    lines += [to_row(_cells(row)) for row in report.rows]
    lines += ["", *(f"- {row.sentence}" for row in report.rows if row.sentence)]
    lines += [f"- Not read: {why}" for why in report.broken.values()]
    return "\n".join([*lines, ""])


def _cells(row: Classification) -> Iterator[str]:
    change = row.change
    yield row.name
    yield str(row.top1)
    yield f"{row.top5.value:.1%}"
    yield "–" if row.per_class is None else f"{row.per_class:.1%}"
    yield str(change) if change else "–"
    yield f"{len(change.lost)} / {len(change.won)}" if change else "–"
    yield f"{change.p:.2g}" if change else "–"
    yield row.outcome or "–"


def to_json(report: AccuracyReport) -> bytes:
    """Return indented JSON, headlines first; each row has its outcome and its sentence."""
    return rows_to_json(report, "outcome", "sentence")


def write(report: AccuracyReport, folder: Path) -> None:
    """Write ``accuracy.json`` and ``accuracy.md`` into ``folder``.

    Raises:
        ReportError: it cannot be written.
    """
    write_files(folder, {JSON_NAME: to_json(report), MARKDOWN_NAME: to_markdown(report).encode()})
