"""Tables of one inspected file, or of two side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.data.inspection import Change, Inspection

_SHOWN: Final = 40
"""The most changes that are shown; a model's weights alone may be hundreds."""


def to_terminal(found: Sequence[Inspection], heading: str) -> RenderableType:
    """Return tables with a column for each file, and tables of the largest weights of each and of what has changed."""
    names = [inspection.path.name for inspection in found]
    counted = any(inspection.macs for inspection in found)
    return Group(
        _table(heading, names, _facts(found)),
        _table("operator", names, _counts([f.operators for f in found])),
        _table("results", names, _counts([f.results for f in found])),
        *([_table("GMAC", names, _counts([f.macs for f in found], _billions))] if counted else ()),
        _table("weights, MB", names, _counts([f.storage for f in found], lambda n: f"{n / 1e6:.2f}")),
        *(_largest(inspection) for inspection in found),
        *(_changed(names, inspection.changes) for inspection in found if inspection.changes is not None),
        *(Text(f"{inspection.path.name}: {note}") for inspection in found for note in inspection.notes),
    )


def _facts(found: Sequence[Inspection]) -> Iterable[list[str]]:
    yield ["size", *(f"{f.bytes / 1e6:.2f} MB" for f in found)]
    for words in dict.fromkeys(words for f in found for words in f.particulars):
        yield [words, *(f.particulars.get(words, "–") for f in found)]
    yield ["function", *(f"{f.function} of {', '.join(f.functions)}" for f in found)]
    yield ["inputs", *("\n".join(f.inputs) for f in found)]
    yield ["outputs", *("\n".join(f.outputs) for f in found)]
    yield ["operators", *(str(sum(f.operators.values())) for f in found)]
    if any(f.macs for f in found):
        yield ["GMAC", *(_billions(sum(f.macs.values())) for f in found)]
    yield ["bits per weight", *(f"{_bits(f):.2f}" for f in found)]


def _billions(number: int) -> str:
    return f"{number / 1e9:.3f}"


def _bits(found: Inspection) -> float:
    values = sum(8 * weight.bytes / weight.bits for weight in found.weights if weight.bytes)
    return 8 * sum(weight.bytes for weight in found.weights) / max(values, 1)


def _counts(columns: Sequence[dict[str, int]], show: Callable[[int], str] = str) -> Iterable[list[str]]:
    for name in dict.fromkeys(name for column in columns for name in column):
        yield [name, *(show(column[name]) if name in column else "–" for column in columns)]


def _table(heading: str, names: Sequence[str], rows: Iterable[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(heading, overflow="fold")
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def _largest(found: Inspection) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("largest weights", "shape", "stored as", "MB"):
        table.add_column(heading, justify="right" if heading == "MB" else "left")
    for weight in found.largest():
        table.add_row(weight.name, " × ".join(map(str, weight.shape)), weight.storage, f"{weight.bytes / 1e6:.2f}")
    return table


def _changed(names: Sequence[str], changes: Sequence[Change]) -> RenderableType:
    if not changes:
        return Text("Nothing that is read has changed.")
    rows = [[change.subject, change.before or "–", change.after or "–"] for change in changes[:_SHOWN]]
    left = len(changes) - len(rows)
    table = _table("changed", names, rows)
    return Group(table, Text(f"and {left} more, which --json lists")) if left else table
