"""The data that a page holds as JSON: the report as it is stored, and what is worked out of it for each case."""

from __future__ import annotations

import json
from math import isfinite
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup

from pe_validate.gates.registry import BY_NAME
from pe_validate.report.margins import Margin, by_input, of_case, of_gate
from pe_validate.report.stored import to_json

if TYPE_CHECKING:
    from pe_validate.data.report import Report
    from pe_validate.data.result import Result

ESCAPED: Final = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}
"""So that no string ends the element that holds the JSON, or begins another."""


def to_embedded(report: Report) -> Markup:
    """Return JSON in ASCII, safe inside an element: ``report``, ``cases`` in the order of its results, and ``asks``."""
    gates = {verdict.gate for result in report.results for verdict in result.verdicts}
    data = {
        "report": json.loads(to_json(report)),
        "cases": [_case(result) for result in report.results],
        "asks": {gate: _asks(gate) for gate in sorted(gates)},
    }
    return Markup(json.dumps(data, separators=(",", ":")).translate(ESCAPED))


def _case(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "status": result.status,
        "sentences": result.sentences,
        "missing": result.missing,
        "worst": _plain(of_case(result)),
        "margins": {verdict.gate: _plain(of_gate(verdict)) for verdict in result.verdicts},
        "used": {
            verdict.gate: {name: _number(found.used) for name, found in by_input(verdict).items()}
            for verdict in result.verdicts
            if verdict.comparisons
        },
        "cost": result.execution.cost if result.execution else None,
    }


def _plain(margin: Margin | None) -> dict[str, Any] | None:
    if margin is None:
        return None
    return {"used": _number(margin.used), "number": margin.number, "gate": margin.gate, "input": margin.input}


def _number(value: float) -> float | str:
    """Return a number of four digits, which is enough to draw; infinity as it is stored in reports."""
    return float(f"{value:.4g}") if isfinite(value) else "Infinity"


def _asks(gate: str) -> str:
    """Return what a gate does, in the first line of its description."""
    return (type(BY_NAME[gate]).__doc__ or "").partition("\n")[0]
