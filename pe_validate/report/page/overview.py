"""The first screen of a page: the verdict, counts, who computed, and what came nearest to its limit."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import inf, isfinite
from typing import TYPE_CHECKING, Final

from pe_validate.report.margins import Margin, of_case, of_gate

if TYPE_CHECKING:
    from pe_validate.data.comparison import Comparison
    from pe_validate.data.report import Report
    from pe_validate.data.result import Result

NEAREST: Final = 6
"""The number of margins that are listed first."""

VERDICTS: Final = {0: "pass", 1: "fail", 3: "error"}
"""The outcome of a report by its exit code."""


@dataclass(frozen=True, slots=True)
class Line:
    """A case in the table: a number is None where there is none."""

    result: Result
    margin: Margin | None
    fidelity: float | None
    loss: float | None
    cosine: float | None
    megabytes: float | None
    seconds: float

    def words(self, number: float | None, style: str) -> str:
        """Return a number of the table in words."""
        if number is None or number != number:
            return "–"
        return format(number, style) if isfinite(number) else "equal" if number > 0 else "lost"

    def order(self, number: float | None) -> str:
        """Return a number of the table as it is sorted: what is not known comes last."""
        return "" if number is None or number != number else repr(float(number))


@dataclass(frozen=True, slots=True)
class Overview:
    """What a page begins with. ``nearest`` are margins with the name of their case, the worst first."""

    verdict: str
    counts: dict[str, int]
    gates: int
    producers: tuple[tuple[str, int], ...]
    nearest: tuple[tuple[str, Margin], ...]
    lines: tuple[Line, ...]
    bytes: int

    @property
    def wrong(self) -> tuple[Result, ...]:
        """The results that have something to say, failures first."""
        found = [line.result for line in self.lines if line.result.status != "pass"]
        return tuple(sorted(found, key=lambda result: result.status != "fail"))


def size(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"


def overview_of(report: Report) -> Overview:
    """Return the overview of a report."""
    verdicts = [(result, verdict) for result in report.results for verdict in result.verdicts]
    margins = [(result.name, margin) for result, verdict in verdicts if (margin := of_gate(verdict))]
    producers = Counter(verdict.producer for _, verdict in verdicts if verdict.producer)
    producers.update(f"{verdict.reference}, as the reference" for _, verdict in verdicts if verdict.reference)
    return Overview(
        VERDICTS[report.exit_code],
        {status: sum(result.status == status for result in report.results) for status in ("pass", "fail", "error")},
        len(verdicts),
        tuple(producers.most_common()),
        tuple(sorted(margins, key=lambda found: -found[1].used)[:NEAREST]),
        tuple(map(_line, report.results)),
        sum(result.artifact.size for result in report.results if result.artifact),
    )


def _line(result: Result) -> Line:
    graph, loss = _worst(result, "fidelity", "identity"), _worst(result, "loss")
    return Line(
        result,
        of_case(result),
        graph.snr_db if graph else None,
        loss.snr_db if loss else None,
        loss.cosine if loss else None,
        result.artifact.size / 1e6 if result.artifact else None,
        min(sum(result.seconds.values()), inf),
    )


def _worst(result: Result, *gates: str) -> Comparison | None:
    return next((verdict.worst for verdict in result.verdicts if verdict.gate in gates), None)
