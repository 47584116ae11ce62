"""What each deployment costs and what it keeps, as one Markdown table: a row for each case."""

from __future__ import annotations

from typing import Final

from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.measure.latency import RIVALS

COLUMNS: Final = (
    "case",
    "file",
    "peak memory",
    "GMAC",
    "delegate calls",
    "fidelity",
    "loss",
    "to XNNPACK",
    "fp16 sums of 32 / 8 terms",
    "worst cosine",
    "top-1 / top-5 kept",
    "accuracy, of float32",
    "time / ONNX Runtime fp32",
    "/ its int8",
    "/ eager",
    "utilisation",
    "gates",
)


def to_cost_table(report: Report) -> str:
    """Markdown; what was not measured is a dash, and a column of dashes is left out."""
    cells = [_cells(result) for result in report.results]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] != "–" for row in cells)]
    rows = [COLUMNS, ["---"] * len(COLUMNS), *cells]
    return "\n".join("| " + " | ".join(row[i] for i in kept) + " |" for row in rows)


def _cells(result: Result) -> list[str]:
    artifact, latency = result.artifact, result.latency
    verdicts: dict[str, Verdict] = {verdict.gate: verdict for verdict in result.verdicts}
    failed = [gate for gate, verdict in verdicts.items() if verdict.status != "pass"]
    agreement = verdicts["retrieval"].agreement if "retrieval" in verdicts else None
    accuracy = verdicts["accuracy"].accuracy if "accuracy" in verdicts else None
    loss = verdicts["loss"].worst if "loss" in verdicts else None
    return [
        str(result.case),
        f"{artifact.size / 1e6:.1f} MB" if artifact else "–",
        f"{result.peak_memory / 1e6:.0f} MB" if result.peak_memory is not None else "–",
        f"{result.case.config.macs / 1e9:.2f}",
        str(artifact.delegation.delegate_calls) if artifact and artifact.delegation else "–",
        _decibel(verdicts.get("fidelity")),
        _decibel(verdicts.get("loss")),
        _decibel(verdicts.get("backends")),
        " / ".join(f"{snr:.1f} dB" for snr in result.half_sums.values()) if result.half_sums else "–",
        f"{loss.cosine:.5f}" if loss else "–",
        f"{agreement.top1:.1%} / {agreement.top5:.1%}" if agreement else "–",
        f"{accuracy.top1:.1%} of {accuracy.reference_top1:.1%}" if accuracy else "–",
        *(str(latency.ratios[rival]) if latency and rival in latency.ratios else "–" for rival in RIVALS),
        f"{latency.utilisation:.2f}" if latency else "–",
        f"fails {', '.join(failed)}" if failed else result.status,
    ]


def _decibel(verdict: Verdict | None) -> str:
    if verdict is None or verdict.worst is None:
        return "–"
    return "equal" if verdict.worst.max_abs == 0 else f"{verdict.worst.snr_db:.1f} dB"
