"""The table of costs, in Markdown: what each case costs and how much it keeps, one row per case."""

from __future__ import annotations

from typing import Final

from pe_validate.data.latency import Latency, Ratio
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.gates.registry import columns
from pe_validate.models.registry import model_named

EMPTY_CELL: Final = "–"
"""The cell for a value that was not measured; a column of only these is left out."""

RATIOS: Final = ("time / ONNX Runtime fp32", "/ its int8", "/ eager")
"""Headings of the latency ratios, in the order of the rivals."""

Cells = dict[str, str]
"""A row, by heading."""


def to_cost_table(report: Report) -> str:
    """Return the table as Markdown."""
    rows = [_cells(result) for result in report.results]
    kept = [heading for heading in (rows[0] if rows else {}) if any(row[heading] != EMPTY_CELL for row in rows)]
    lines = [kept, ["---"] * len(kept), *([row[heading] for heading in kept] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cells(result: Result) -> Cells:
    artifact, loss, macs = result.artifact, result.verdict("loss"), model_named(result.case.model).macs
    delegation = artifact.delegation if artifact else None
    sums = result.half_sums.values() if result.half_sums else ()
    cells = {
        "case": str(result.case),
        "file": f"{artifact.size / 1e6:.1f} MB" if artifact else EMPTY_CELL,
        "peak memory": f"{result.peak_memory / 1e6:.0f} MB" if result.peak_memory is not None else EMPTY_CELL,
        "GMAC": f"{macs / 1e9:.2f}" if macs else EMPTY_CELL,
        "delegate calls": str(delegation.delegate_calls) if delegation else EMPTY_CELL,
        "fidelity": _decibel(result.verdict("fidelity")),
        "loss": _decibel(loss),
        "to XNNPACK": _decibel(result.verdict("backends")),
        "fp16 sums of 32 / 8 terms": " / ".join(f"{snr:.1f} dB" for snr in sums) or EMPTY_CELL,
        "worst cosine": f"{loss.worst.cosine:.5f}" if loss and loss.worst else EMPTY_CELL,
    }
    return cells | _of_gates(result) | _of_latency(result) | {"gates": _outcome(result)}


def _of_gates(result: Result) -> Cells:
    """Return the cells of the columns that gates add."""
    found = {column.heading: (result.verdict(gate), column.show) for gate, column in columns()}
    return {heading: (verdict and show(verdict)) or EMPTY_CELL for heading, (verdict, show) in found.items()}


def _of_latency(result: Result) -> Cells:
    latency = result.latency
    ratios = [_ratio(ratio, latency) for ratio in latency.ratios.values()] if latency else []
    padded = [*ratios, *[EMPTY_CELL] * len(RATIOS)][: len(RATIOS)]
    used = f"{latency.utilisation:.2f}" if latency else EMPTY_CELL
    return dict(zip(RATIOS, padded, strict=True)) | {"utilisation": used}


def _ratio(ratio: Ratio, latency: Latency) -> str:
    """Return a ratio, or the reason why it means nothing."""
    return f"inconclusive: others used {latency.others:.0%} of the machine" if latency.disturbed else str(ratio)


def _outcome(result: Result) -> str:
    failed = [verdict.gate for verdict in result.verdicts if verdict.status != "pass"]
    return f"fails {', '.join(failed)}" if failed else result.status


def _decibel(verdict: Verdict | None) -> str:
    if verdict is None or verdict.worst is None:
        return EMPTY_CELL
    return "equal" if verdict.worst.max_abs == 0 else f"{verdict.worst.snr_db:.1f} dB"
