"""The table of deployments shows what was measured, and nothing that was not."""

from __future__ import annotations

from dataclasses import replace

import sample_reports as sample

from pe_validate.data.latency import Latency, Ratio
from pe_validate.data.tasks import Accuracy, Agreement
from pe_validate.data.verdict import Verdict
from pe_validate.report.costs import to_cost_table

HEADINGS = (
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
"""Of a case of which everything was measured."""

TIMED = Latency("PE-Core-T16-384", "pte/fp32", 2, 30, 50.0, dict.fromkeys(sample.RIVALS, Ratio(0.5, 0.4, 0.6)), 0.9)


def test_everything_that_was_measured_is_shown() -> None:
    judged = (
        Verdict(sample.PTE, "retrieval", "pass", "kept.", agreement=Agreement(0.9375, 0.96)),
        Verdict(sample.PTE, "accuracy", "pass", "right.", accuracy=Accuracy(0.861, 0.862, 1000)),
    )
    result = sample.passing(sample.PTE)
    apart = replace(result.verdicts[0], gate="backends")
    sums = {32: 58.0, 8: 54.0}
    whole = replace(
        result, latency=TIMED, peak_memory=150_000_000, half_sums=sums, verdicts=(*result.verdicts, apart, *judged)
    )
    heading, _, row = to_cost_table(sample.report(whole)).splitlines()
    assert heading == f"| {' | '.join(HEADINGS)} |"
    for shown in (
        "22.6 MB",
        "150 MB",
        "4.70",
        "equal",
        "58.0 dB / 54.0 dB",
        "93.8% / 96.0%",
        "86.1% of 86.2%",
        "0.50 (0.40 – 0.60)",
        "0.90",
    ):
        assert shown in row, row
    assert row.endswith("| pass |")


def test_what_was_not_measured_is_left_out() -> None:
    heading = to_cost_table(sample.report(sample.passing(sample.ONNX))).splitlines()[0]
    for absent in ("peak memory", "utilisation", "eager", "accuracy", "delegate calls"):
        assert absent not in heading


def test_failed_gates_and_errors_are_named() -> None:
    table = to_cost_table(sample.report(sample.failing(sample.ONNX), sample.erring(sample.CORE_ML)))
    assert "| fails fidelity, loss |" in table
    assert table.splitlines()[-1].endswith("| error |")
