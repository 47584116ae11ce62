"""The table of latencies for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from pe_validate.data.latency import Latency


def to_table(rows: Sequence[Latency]) -> Table:
    """Return a table, 80 columns wide; only the JSON output has the intervals of all ratios."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("runtime", no_wrap=True)
    rivals = [name for row in rows[:1] for name in row.ratios][:2]
    shown = [f"/ {rivals[0]}", *(f"/ {name.rpartition('/')[2]}" for name in rivals[1:])] if rivals else []
    for heading in ("median", *shown, "use", "result"):
        table.add_column(heading, justify="right", no_wrap=True)
    for model in dict.fromkeys(row.model for row in rows):
        table.add_row(model)
        for row in (row for row in rows if row.model == model):
            ratios = [row.ratios[name] for name in rivals]
            table.add_row(
                f"  {row.subject}",
                f"{row.median_ms:.0f} ms",
                *(str(ratio) if number == 0 else f"{ratio.median:.2f}" for number, ratio in enumerate(ratios)),
                f"{row.utilisation:.2f}",
                _result(row),
            )
    return table


def _result(row: Latency) -> str:
    if row.disturbed:  # whatever the ratios are
        return f"machine busy {row.others:.0%}"
    return f"{row.outcome}, ≤ {row.budget.ratio:g}" if row.budget else "–"
