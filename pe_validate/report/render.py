"""Render a report as a terminal table, Markdown, JUnit XML or HTML, and write it to a folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pe_validate.data.comparison import Comparison
from pe_validate.data.explanation import Explanation
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.report.explained import to_chart
from pe_validate.report.kernels import kernel_lines, to_kernel_table
from pe_validate.report.stored import FILE_NAME, LARGEST_REPORT, is_report, to_json
from pe_validate.system.errors import ReportError
from pe_validate.system.files import plain_file, replace_file

COLOUR: Final = {"pass": "green", "fail": "red", "error": "red"}
GRAPH: Final = ("fidelity", "identity")
"""The gates that hold an artifact to a graph: the very one that was lowered, or the model's where that is unknown."""

COLUMNS: Final = ("case", "gate", "result", "SNR", "limit", "max abs diff", "cosine", "size", "export", "run")
"""Columns of the Markdown table."""


def sentences(report: Report) -> list[str]:
    """Return what is wrong with each case, and the commands that reproduce it, as sentences."""
    return [sentence for result in report.results for sentence in result.sentences]


def to_terminal(report: Report) -> RenderableType:
    """Return a table for the terminal, 80 columns wide, with a row for each case and its worst SNR in dB.

    The gates that failed stand below the name of the case.
    """
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("case", overflow="fold")
    first = " or\n".join(gate for gate in GRAPH if any(_of_gates(result, gate) for result in report.results))
    for heading in ("result", f"{first or GRAPH[0]}\ndB", "loss\ndB", "loss\ncosine", "time\ns"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in report.results:
        graph, loss = _of_gates(result, *GRAPH), _of_gates(result, "loss")
        table.add_row(
            Text("\n".join((result.name, *_red(result)))),
            Text(result.status, COLOUR[result.status]),
            f"{graph.snr_db:.1f}" if graph else "–",
            f"{loss.snr_db:.1f}" if loss else "–",
            f"{loss.cosine:.5f}" if loss else "–",
            f"{sum(result.seconds.values()):.0f}",
        )
    charts = [Text(f"\n{to_chart(explanation)}", no_wrap=True) for explanation in explanations(report)]
    kernels = [Text(line) for line in kernel_lines(report.results)]
    messages = map(Text, sentences(report))
    return Group(*map(Text, report.headlines), "", table, "", *kernels, *messages, *charts)


def _red(result: Result) -> Iterator[str]:
    """Yield a line that names the gates that failed, and one with those that are missing."""
    failed = [verdict.gate for verdict in result.verdicts if verdict.status != "pass"]
    for word, gates in (("fails", failed), ("lacks", result.missing if result.verdicts else ())):
        if gates:
            yield f"  {word} {', '.join(gates)}"


def explanations(report: Report) -> list[Explanation]:
    """Return the explanations that can be drawn as charts."""
    return [result.explanation for result in report.results if result.explanation and result.explanation.steps]


def _of_gates(result: Result, *gates: str) -> Comparison | None:
    return next((verdict.worst for verdict in result.verdicts if verdict.gate in gates), None)


def to_markdown(report: Report) -> str:
    """Return Markdown for pull requests and documents: a row for each gate of each case, with its worst input."""
    loaded = {result.case.model: result.weights_sha256 for result in report.results}
    lines = [
        f"# {report.command}",
        "",
        *report.headlines,
        "",
        to_row(COLUMNS),
        to_row(["---"] * len(COLUMNS)),
        *(to_row(cells) for result in report.results for cells in _cells(result)),
        "",
        *(f"- {sentence}" for sentence in sentences(report)),
        "",
        *to_kernel_table(report.results),
        *(
            line
            for found in explanations(report)
            for line in ("```", f"{found.case}, {found.gate}:", to_chart(found), "```", "")
        ),
        f"Weights `{report.weights}`: " + ", ".join(f"{m} `{sha[:12]}`" for m, sha in loaded.items()) + ".",
        f"Made {report.created.isoformat()} on {report.machine} in {report.seconds:.0f} s with "
        + ", ".join(f"{name} {number}" for name, number in report.tools.items())
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _cells(result: Result) -> list[list[str]]:
    size = f"{result.artifact.size / 1e6:.1f} MB" if result.artifact else "–"
    tail = [size, *(f"{result.seconds[s]:.1f} s" if s in result.seconds else "–" for s in ("export", "run"))]
    if not result.verdicts:
        return [[result.name, "–", result.status, "–", "–", "–", "–", *tail]]
    return [[result.name, verdict.gate, verdict.status, *_numbers(verdict), *tail] for verdict in result.verdicts]


def _numbers(verdict: Verdict) -> list[str]:
    if verdict.worst is None or verdict.tolerance is None:
        return ["–", "–", "–", "–"]
    number = verdict.worst
    limit = f"≥ {verdict.tolerance.limit.snr_db:g} dB"
    return [f"{number.snr_db:.1f} dB", limit, f"{number.max_rel:.1e} σ", f"{number.cosine:.7f}"]


def to_row(cells: Iterable[str]) -> str:
    """Return a row of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def to_junit(report: Report) -> str:
    """Return JUnit XML for CI servers: one test case for each gate of each case.

    Gates are not timed: those of a case share its seconds equally, so that the sums are right.
    """
    suite = ElementTree.Element("testsuite", name="pe-validate", tests="0", time=f"{report.seconds:.3f}")
    for error in report.errors:
        said = f"See it again: {report.command}"
        _test(suite, report.command, "stages", "error", error.sentence, seconds=report.seconds, said=said)
    for result in report.results:
        tests = [(v.gate, "failure" if v.status != "pass" else "", v.sentence) for v in result.verdicts]
        tests += [("stages", "error", result.sentences[0])] if result.status == "error" else []
        share = sum(result.seconds.values()) / max(1, len(tests))
        took = ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.seconds.items())
        for test in tests:
            said = f"{result.name}: {took or 'not timed'}\nSee it again: {result.again}"
            _test(suite, result.name, *test, seconds=share, said=said)
    suite.set("tests", str(len(suite)))
    for kind in ("failure", "error"):
        suite.set(f"{kind}s", str(len(suite.findall(f"*/{kind}"))))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _test(
    suite: ElementTree.Element, case: str, name: str, wrong: str, sentence: str, seconds: float = 0, said: str = ""
) -> None:
    """Add a test case; ``wrong`` is ``failure``, ``error``, or empty if nothing is."""
    test = ElementTree.SubElement(suite, "testcase", classname=case, name=name, time=f"{seconds:.3f}")
    if wrong:
        ElementTree.SubElement(test, wrong, message=sentence).text = "\n".join(filter(None, (sentence, said)))
    if said:
        ElementTree.SubElement(test, "system-out").text = said


def write(report: Report, folder: Path) -> None:
    """Write ``report.json``, ``report.md``, ``junit.xml`` and ``report.html``, each atomically.

    Raises:
        ReportError: the folder cannot be written.
    """
    with writable(folder):
        for name, render in FILES.items():
            replace_file(folder / name, render(report))


def make_room(folder: Path) -> dict[Path, bytes]:
    """Check before the long work that ``folder`` can be written, and remove an older report from it.

    Returns the files that were removed, for whom it turns out that there is no work to do.

    Raises:
        ReportError: the folder cannot be written, or contains files of the same names that are not a report's.
    """
    with writable(folder):
        try_to_write(folder)
        there = [name for name in FILES if os.path.lexists(folder / name)]
        if there and not is_report(folder / FILE_NAME):
            raise ReportError(
                f"'{folder / there[0]}' is in the way and of no older report: choose another --report, or remove it."
            )
        removed = {}
        for path in [folder / name for name in reversed(there)]:  # report.json last: it shows that others may go, too
            with suppress(OSError):  # what is no file of ours is not kept
                removed[path] = plain_file(path, LARGEST_REPORT).read_bytes()
            path.unlink()
    return removed


def try_to_write(folder: Path) -> None:
    """Make a folder, and a file in it that is gone at once.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _to_page(report: Report) -> bytes:
    from pe_validate.report.page import to_html  # with Jinja, which only a page needs

    return to_html(report).encode()


FILES: Final[dict[str, Callable[[Report], bytes]]] = {
    FILE_NAME: to_json,
    "report.md": lambda report: to_markdown(report).encode(),
    "junit.xml": lambda report: to_junit(report).encode(),
    "report.html": _to_page,
}
"""The files of a report folder, and the function that renders each."""


@contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Turn every OSError inside the ``with`` into a ReportError.

    Raises:
        ReportError: the folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ReportError(
            f"Cannot write the report to '{folder}' ({error.strerror or error}): choose another --report."
        ) from error
