"""Fault × target × gate, with the margin by which each was caught."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import get_args

from planting import FAULTS, MODEL, Level, import_catalogue

from pe_validate.case import Case
from pe_validate.data.comparison import Comparison
from pe_validate.data.limits import Limits, Tolerance
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.registry import GATES, tolerance
from pe_validate.gates.rewrite import FormGate
from pe_validate.models.base import DEFAULT_WEIGHTS

INVISIBLE = {
    "bias of the pooling's keys missing": "it adds the same to every score, and softmax takes that out; in a "
    "block, where keys are rotated, it does not",
    "every rotated position moved by one, the class token's too": "only differences of positions count; where the "
    "class token stays behind, or moves alone, it is seen: rotation from 0, and a class token that is rotated",
    "every value of a stream raised by one number": "the LayerNorm that reads it takes the mean out",
    "heads in another order, in every tensor alike": "their sum is the same",
    "hidden units in another order, in both layers alike": "the same",
    "queries doubled and keys halved": "only their products are read; in float16 they may overflow, which loss sees",
    "a zero point off by one in producer and reader": "the value that is read is the value that was meant, unless it "
    "is clipped; where the two differ ExecuTorch does not load the program, which is how the planted one is caught",
}
"""Faults that no gate could ever see, because they change nothing."""


UNPLANTED = {
    "one call late": "an ONNX file and a package for iOS 17 keep no state, and the evaluator refuses one that does",
    "noise left in": "ExecuTorch's exporter refuses to draw numbers, and the evaluator refuses a package that does",
    "onnx batch element 0 repeated": "the other targets are exported for one image at a time",
    "overflow in one layer": "float32 and int8 programs do not overflow at these values",
    "text pooled before the end": "coremltools clips integers as floats, which cannot choose a token",
    "zero point off by one": "only static int8 and compressed packages store zero points",
}
"""Where a fault is not planted in a target that others are planted in, and why."""

WIDE = 3.0
"""A margin that nobody need think about."""

WANTED = 0.9
"""Least share of the faults that sit in one place whose place is named."""


@dataclass(frozen=True)
class Cell:
    """What happened to one fault in one case; ``killed`` gives the margin by gate, 0 where nothing is measured."""

    fault: str
    case: str
    killed: dict[str, float] = field(default_factory=dict)
    error: str = ""
    expected: str | None = None
    found: str | None = None


def margin(verdict: Verdict) -> float:
    """How many times the limit was exceeded, by the metric that did so most; 0 for a gate without numbers."""
    if verdict.worst is None or verdict.tolerance is None:
        return 0
    return over(verdict.worst, verdict.tolerance)


def over(found: Comparison | Limits, row: Tolerance) -> float:
    """Observed ÷ limit: of amplitudes, in the whole tensor and in its worst value. ∞ is capped."""
    limit = row.limit
    ratios = (
        found.max_rel / limit.max_rel,
        10 ** ((limit.snr_db - max(found.snr_db, -200)) / 20),
    )
    return min(max(ratios), 1e9)


def share_placed(cells: Sequence[Cell]) -> float:
    """How many of the faults that sit in one place were found there; all, where there are none."""
    placed = [cell.found == cell.expected for cell in cells if cell.expected]
    return sum(placed) / len(placed) if placed else 1.0


def to_markdown(cells: Sequence[Cell]) -> str:
    """The page in ``docs/``."""
    import_catalogue()
    ordered = sorted(cells, key=lambda cell: (list(FAULTS).index(cell.fault), cell.case))
    placed = [cell for cell in cells if cell.expected]
    right = sum(cell.found == cell.expected for cell in placed)
    faults = {cell.fault for cell in cells}
    lines = [
        "# Kill matrix",
        "",
        f"{len(faults)} deliberately broken conversions, planted in {len(cells)} artifacts that the real exporters "
        f"wrote and the real runtimes ran; {sum(bool(cell.killed or cell.error) for cell in cells)} were caught by the "
        "gates of `pe-validate run`. Made by",
        "`pytest tests/faults -m 'full or not full' --kill-matrix docs/kill-matrix.md`, as `tox -e faults` does.",
        "",
        "A number is the margin, observed ÷ limit: how many times too large the error was, in the whole tensor or in "
        "its worst value. ✗ is a gate that asks yes or no. A fault that sits in one place is named by `pe-validate "
        f"explain`: right for {right} of {len(placed)} ({right / max(len(placed), 1):.1%}).",
        "",
        near(ordered),
        "",
    ]
    for level in get_args(Level):
        lines += [
            f"## Planted in the {level}",
            "",
            "| fault | case | caught by | place named |",
            "| --- | --- | --- | --- |",
        ]
        lines += [_row(cell) for cell in ordered if FAULTS[cell.fault].level == level]
        lines += [""]
    lines += ["## What happened", ""]
    lines += [f"- **{words(name)}**: {FAULTS[name].story}." for name in FAULTS if name in faults]
    lines += [
        "",
        "## Headroom",
        "",
        "How many times the worst of the sound conversions a limit is, and how many times the limit the nearest fault "
        "that no other gate sees as well; `pe_validate/gates/limits/` has both in dB. Where the gap is wide "
        "enough "
        f"each side has {WIDE:g} times; the others are marked. Most of what quantisation "
        "costs is the same on every CPU, so sound conversions need less room there; float16 has a fault at 45 dB, and "
        "sound sums at 57.",
        "",
        *headroom(ordered),
    ]
    lines += ["", "## Faults that nobody can see", "", "They change no answer of the model, whatever the image:", ""]
    lines += [f"- **{name}**: {reason}." for name, reason in INVISIBLE.items()]
    lines += ["", "## Where a fault cannot be planted", ""]
    lines += [f"- **{name}**: {reason}." for name, reason in UNPLANTED.items()]
    return "\n".join(lines) + "\n"


def near(cells: Sequence[Cell]) -> str:
    """The faults whose margin is small: nothing without numbers caught them, and no number by much."""
    close = [cell for cell in cells if cell.killed and all(0 < value < WIDE for value in cell.killed.values())]
    named = "; ".join(f"{words(cell.fault)} in {cell.case} ({times(max(cell.killed.values()))})" for cell in close)
    return f"Caught by less than {WIDE:g} times the limit: {named or 'none'}."


def _row(cell: Cell) -> str:
    caught = [f"{gate} {times(value)}" for gate, value in cell.killed.items()]
    if cell.error:
        caught.append(f"run: {cell.error}")
    place = cell.found or "–"
    if cell.expected and cell.found != cell.expected:
        place += f" (it is in {cell.expected})"
    return f"| {words(cell.fault)} | {cell.case} | {', '.join(caught) or '**nothing**'} | {place} |"


def times(value: float) -> str:
    if value == 0:
        return "✗"
    return "> 10⁶" if value > 1e6 else f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def headroom(cells: Sequence[Cell]) -> list[str]:
    """For each limit that was set between the two, the distance to sound conversions, and to the nearest fault that no
    other gate sees better."""
    lines = ["| case | gate | sound conversions | nearest fault | |", "| --- | --- | --- | --- | --- |"]
    for kind in sorted({cell.case.partition("/")[2] for cell in cells} - {"eager/fp32"}):
        mine = [cell for cell in cells if cell.case.endswith(f"/{kind}")]
        case = Case(MODEL, *kind.split("/"))
        for gate in (*of_form(case), "fidelity", "loss"):
            row = tolerance(case, gate)
            needed = [(cell.killed[gate], words(cell.fault)) for cell in mine if _needs(cell, gate)]
            nearest, name = min(needed, default=(inf, "none that others do not see as well"))
            sides = (1 / max(over_measured(row), 1e-9), nearest)
            wide = "" if min(sides) >= WIDE else f"less than {WIDE:g}"
            lines.append(f"| {kind} | {gate} | {' | '.join(_capped(side) for side in sides)}, {name} | {wide} |")
    return lines


def of_form(case: Case) -> list[str]:
    """The gates of the form that the case's graph is made of."""
    subject = Subject(case, DEFAULT_WEIGHTS)
    return [gate.name for gate in GATES if isinstance(gate, FormGate) and gate.required(subject)]


def over_measured(row: Tolerance) -> float:
    """Worst of the sound conversions ÷ limit."""
    return over(row.measured, row)


def _needs(cell: Cell, gate: str) -> bool:
    """Whether it is this gate that sees the fault best, and none that asks yes or no."""
    return gate in cell.killed and all(0 < value <= cell.killed[gate] for value in cell.killed.values())


def _capped(value: float) -> str:
    return "–" if value == inf else times(value)


def words(name: str) -> str:
    return name.replace("_", " ")
