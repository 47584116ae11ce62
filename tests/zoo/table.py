"""Write docs/zoo.md: what became of architectures that this project has not written, on every target.

``python table.py REPORT PAGE`` reads the report of ``pe-validate run`` in this folder.
"""

from __future__ import annotations

import sys
from pathlib import Path

from pe_validate.data.result import Result
from pe_validate.report.stored import read

INTRODUCTION = """# Architectures of others

Seventeen networks that this project has not written, small and with random weights, configured as a user would
(`tests/zoo/`): of `transformers`, and of plain `torch.nn`. Every output is judged; fidelity and loss are the worst of
all. `tox -e zoo` writes this page; what the cache has is not exported again, and takes no seconds.

"""
HEADER = "| model | target | result | fidelity dB | loss dB | calls | outside | seconds | cause |"


def main(folder: str, page: str) -> None:
    """Write the page."""
    report = read(Path(folder))
    lines = [HEADER, "| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |"]
    lines += ["| " + " | ".join(row(result)) + " |" for result in report.results]
    passed = sum(result.status == "pass" for result in report.results)
    tools = ", ".join(f"{name} {version}" for name, version in report.tools.items())
    counted = f"{passed} of {len(report.results)} cases pass. {report.created:%Y-%m-%d}, {report.machine}; {tools}."
    Path(page).write_text(INTRODUCTION + "\n".join([*lines, "", counted, ""]), encoding="utf-8")


def row(result: Result) -> list[str]:
    """Return the cells of one case."""
    delegation = result.artifact.delegation if result.artifact else None
    return [
        result.case.model,
        result.case.kind,
        result.status,
        worst(result, "fidelity"),
        worst(result, "loss"),
        str(delegation.delegate_calls) if delegation else "",
        str(len(delegation.left_over)) if delegation else "",
        f"{sum(result.seconds.values()):.0f}",
        cause(result),
    ]


def worst(result: Result, gate: str) -> str:
    """Return the worst SNR of a gate that compares numbers."""
    verdict = result.verdict(gate)
    return f"{verdict.worst.snr_db:.0f}" if verdict and verdict.worst else ""


def cause(result: Result) -> str:
    """Return what the first failing gate, or the stage that could not do its work, says."""
    failed = [verdict.sentence for verdict in result.verdicts if verdict.status != "pass"]
    said = result.error or next(iter(failed), "")
    return said.removeprefix(f"{result.case} ").replace("|", "\\|")


if __name__ == "__main__":
    main(*sys.argv[1:])
