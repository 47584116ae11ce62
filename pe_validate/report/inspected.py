"""Tables of one Core ML package, or of two side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.mil.inspection import Inspection


def to_terminal(found: Sequence[Inspection]) -> RenderableType:
    """Return tables with a column for each package, and a table of the largest weights of each."""
    names = [inspection.path.name for inspection in found]
    return Group(
        _table("package", names, _facts(found)),
        _table("operator", names, _counts([f.operators for f in found])),
        _table("results", names, _counts([f.results for f in found])),
        _table("GMAC", names, _counts([f.macs for f in found], lambda n: f"{n / 1e9:.3f}")),
        _table("weights, MB", names, _counts([f.storage for f in found], lambda n: f"{n / 1e6:.2f}")),
        *(_largest(inspection) for inspection in found),
        *(Text(f"{inspection.path.name}: {note}") for inspection in found for note in inspection.notes),
    )


def _facts(found: Sequence[Inspection]) -> Iterable[list[str]]:
    yield ["size", *(f"{f.bytes / 1e6:.2f} MB" for f in found)]
    yield ["specification", *(f"{f.specification_version}, {f.opset}" for f in found)]
    yield ["function", *(f"{f.function} of {', '.join(f.functions)}" for f in found)]
    yield ["inputs", *("\n".join(f.inputs) for f in found)]
    yield ["outputs", *("\n".join(f.outputs) for f in found)]
    yield ["operators", *(str(sum(f.operators.values())) for f in found)]
    yield ["GMAC", *(f"{sum(f.macs.values()) / 1e9:.3f}" for f in found)]
    yield ["bits per weight", *(f"{_bits(f):.2f}" for f in found)]


def _bits(found: Inspection) -> float:
    values = sum(8 * weight.bytes / weight.bits for weight in found.weights if weight.bytes)
    return 8 * sum(weight.bytes for weight in found.weights) / max(values, 1)


def _counts(columns: Sequence[dict[str, int]], show: Callable[[int], str] = str) -> Iterable[list[str]]:
    for name in dict.fromkeys(name for column in columns for name in column):
        yield [name, *(show(column[name]) if name in column else "–" for column in columns)]


def _table(heading: str, names: Sequence[str], rows: Iterable[list[str]]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(heading)
    for name in names:
        table.add_column(name, justify="right")
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
