"""A report as a terminal table, Markdown, JUnit XML or one self-contained HTML page."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.errors import ReportError
from pe_validate.files import replace_file
from pe_validate.report.model import FILE_NAME, Report, Result, to_json
from pe_validate.report.page import to_html
from pe_validate.verdict import Verdict

COLUMNS: Final = ("case", "result", "gate", "SNR", "max |Δ|", "cosine", "limit", "size", "export", "run")
COLOUR: Final = {"pass": "green", "fail": "red", "error": "red"}


def cells(result: Result) -> list[tuple[str, ...]]:
    """One row of text for each comparing gate of a case, under :data:`COLUMNS`."""
    size = f"{result.artifact.size / 1e6:.1f} MB" if result.artifact else "–"
    tail = (size, *(f"{result.seconds[s]:.1f} s" if s in result.seconds else "–" for s in ("export", "run")))
    judged = [verdict for verdict in result.verdicts if verdict.worst]
    if not judged:
        return [(str(result.case), result.status, "–", "–", "–", "–", "–", *tail)]
    return [(str(result.case), verdict.status, verdict.gate, *_numbers(verdict), *tail) for verdict in judged]


def _numbers(verdict: Verdict) -> tuple[str, str, str, str]:
    assert verdict.worst is not None
    assert verdict.tolerance is not None
    number = verdict.worst
    limit = f"≥ {verdict.tolerance.limit.snr_db:g} dB"
    return f"{number.snr_db:.1f} dB", f"{number.max_rel:.1e} σ", f"{number.cosine:.7f}", limit


def sentences(report: Report) -> list[str]:
    """What a red report has to say: every error and every failed gate, and how to see it again."""
    said = []
    for result in report.results:
        if result.error:
            said.append(result.error)
        said += [verdict.sentence for verdict in result.verdicts if verdict.status != "pass"]
        if result.status != "pass":
            said.append(f"See it again: pe-validate run {result.case} --weights {report.weights}")
    return said


def to_terminal(report: Report) -> RenderableType:
    """For people at a prompt."""
    table = Table(*COLUMNS, title=f"{report.command}  (weights {report.weights})", title_justify="left")
    for result in report.results:
        for case, status, *rest in cells(result):
            table.add_row(case, Text(status, COLOUR[status]), *rest)
    return Group(*report.headlines, table, *(Text(sentence) for sentence in sentences(report)))


def to_markdown(report: Report) -> str:
    """For pull requests and documents."""
    rows = [row for result in report.results for row in cells(result)]
    lines = [
        f"# {report.command}",
        "",
        *report.headlines,
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + " --- |" * len(COLUMNS),
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
        "",
        *(f"- {sentence}" for sentence in sentences(report)),
        "",
        f"Weights `{report.weights}`: "
        + ", ".join(
            f"{model} `{sha[:12]}`" for model, sha in {r.case.model: r.weights_sha256 for r in report.results}.items()
        )
        + ".",
        f"Made {report.created.isoformat()} on {report.machine} in {report.seconds:.0f} s with "
        + ", ".join(f"{name} {number}" for name, number in report.tools.items())
        + ".",
        "",
    ]
    return "\n".join(line.replace("max |Δ|", "max \\|Δ\\|") if "---" not in line else line for line in lines)


def to_junit(report: Report) -> str:
    """For CI servers: one test case for each gate."""
    suite = ElementTree.Element("testsuite", name="pe-validate", tests="0")
    for result in report.results:
        for verdict in result.verdicts:
            test = ElementTree.SubElement(suite, "testcase", classname=str(result.case), name=verdict.gate)
            if verdict.status != "pass":
                ElementTree.SubElement(test, "failure", message=verdict.sentence)
        if result.status == "error":
            test = ElementTree.SubElement(suite, "testcase", classname=str(result.case), name="stages")
            ElementTree.SubElement(test, "error", message=result.error or "nothing was judged")
    suite.set("tests", str(len(suite)))
    for kind in ("failure", "error"):
        suite.set(f"{kind}s", str(len(suite.findall(f"*/{kind}"))))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def write(report: Report, folder: Path) -> None:
    """Write ``report.json``, ``report.md``, ``junit.xml`` and ``report.html``, each whole or not at all.

    Raises:
        ReportError: the folder cannot be written.
    """
    contents = {
        FILE_NAME: to_json(report),
        "report.md": to_markdown(report).encode(),
        "junit.xml": to_junit(report).encode(),
        "report.html": to_html(report).encode(),
    }
    try:
        for name, content in contents.items():
            replace_file(folder / name, content)
    except OSError as error:
        raise ReportError(
            f"Cannot write the report to '{folder}' ({error.strerror or error}): choose another --report."
        ) from error


def ensure_writable(folder: Path) -> None:
    """Find out before the long work, not after it.

    Raises:
        ReportError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ReportError(
            f"Cannot write the report to '{folder}' ({error.strerror or error}): choose another --report."
        ) from error
