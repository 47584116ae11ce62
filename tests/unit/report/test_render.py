"""Every rendering is well-formed and says the same, whatever the sentences in it contain."""

from __future__ import annotations

import os
import platform
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import sample_reports as sample
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rich.console import Console

from pe_validate.case import MATRIX, Case
from pe_validate.data.execution import Execution
from pe_validate.data.provenance import StageError
from pe_validate.data.report import Report
from pe_validate.report import stored
from pe_validate.report.page import to_html
from pe_validate.report.render import (
    COLUMNS,
    make_room,
    sentences,
    to_junit,
    to_markdown,
    to_terminal,
    write,
)
from pe_validate.report.stored import make_report, read
from pe_validate.system.errors import ReportError

FILES = {"report.json", "report.md", "junit.xml", "report.html"}
HOSTILE = "</p><script>alert(1)</script> & \"quoted\" 'too' | `pipe` [bold red]markup[/bold red]"

REPORTS = {
    "empty": sample.report(),
    "pass": sample.report(sample.passing(), sample.passing(sample.PTE)),
    "mixed": sample.mixed(),
    "hostile": sample.report(sample.erring(error=HOSTILE), command=HOSTILE, weights=HOSTILE),
}
every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)

messages = st.text(min_size=1, max_size=60)
"""What an exception of somebody else's library may say: anything."""


def table_of(markdown: str) -> list[list[str]]:
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def printed(report: Report, width: int = 80) -> str:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(to_terminal(report))
    return captured.get()


@every_report
def test_markdown_has_a_table_with_the_same_cells_in_every_row(report: Report) -> None:
    rows = table_of(to_markdown(report))
    assert rows[0] == list(COLUMNS)
    assert set(rows[1]) == {"---"}
    assert {len(row) for row in rows} == {len(COLUMNS)}


def test_markdown_has_a_row_for_each_gate_and_one_for_each_case_without() -> None:
    report = sample.mixed()
    expected: list[tuple[str, str, str]] = [
        row
        for result in report.results
        for row in (
            [(str(result.case), verdict.gate, str(verdict.status)) for verdict in result.verdicts]
            or [(str(result.case), "–", "error")]
        )
    ]
    assert [tuple(row[:3]) for row in table_of(to_markdown(report))[2:]] == expected


def test_markdown_shows_observed_limit_size_and_times() -> None:
    report = sample.report(sample.failing())
    verdict = report.results[0].verdicts[0]
    assert verdict.worst is not None
    assert verdict.tolerance is not None
    assert table_of(to_markdown(report))[2] == [
        str(sample.ONNX),
        "fidelity",
        "fail",
        f"{verdict.worst.snr_db:.1f} dB",
        f"≥ {verdict.tolerance.limit.snr_db:g} dB",
        f"{verdict.worst.max_rel:.1e} σ",
        f"{verdict.worst.cosine:.7f}",
        "22.6 MB",
        "12.5 s",
        "3.2 s",
    ]


@every_report
def test_markdown_starts_with_the_command_and_the_headlines(report: Report) -> None:
    lines = to_markdown(report).splitlines()
    assert lines[0] == f"# {report.command}"
    assert lines[2 : 2 + len(report.headlines)] == report.headlines


@settings(max_examples=50)
@given(messages)
@example("two\nlines")
@example("| a | row |")
def test_no_message_breaks_the_lines_of_markdown(message: str) -> None:
    def shape(report: Report) -> list[str]:
        return [line[:1] for line in re.split(r"\r\n|\r|\n", to_markdown(report))]

    assert shape(sample.report(sample.erring(error=message))) == shape(sample.report(sample.erring(error="x")))


@every_report
def test_junit_counts_what_it_lists(report: Report) -> None:
    suite = ElementTree.fromstring(to_junit(report))
    judged = [verdict for result in report.results for verdict in result.verdicts]
    errors = [result for result in report.results if result.status == "error"]
    assert suite.get("tests") == str(len(suite.findall("testcase"))) == str(len(judged) + len(errors))
    assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    assert suite.get("failures") == str(sum(verdict.status == "fail" for verdict in judged))
    assert suite.get("errors") == str(len(suite.findall("testcase/error"))) == str(len(errors))


def test_junit_names_every_gate_of_every_case_once() -> None:
    tests = ElementTree.fromstring(to_junit(sample.mixed())).findall("testcase")
    names = Counter((test.get("classname"), test.get("name")) for test in tests)
    assert set(names.values()) == {1}, names


def test_junit_carries_the_sentence_of_a_failure_and_of_an_error() -> None:
    report = sample.report(sample.failing(), sample.erring(sample.PTE, HOSTILE))
    suite = ElementTree.fromstring(to_junit(report))
    found = [found.get("message") for found in (*suite.iter("failure"), *suite.iter("error"))]
    assert found == [*(verdict.sentence for verdict in report.results[0].verdicts), HOSTILE]


def test_junit_has_times_whose_sums_are_right() -> None:
    report = sample.report(sample.passing(), sample.failing(sample.PTE), sample.unjudged(sample.CORE_ML))
    suite = ElementTree.fromstring(to_junit(report))
    assert float(suite.get("time", "")) == report.seconds
    for result in report.results:
        took = [float(test.get("time", "")) for test in suite if test.get("classname") == result.name]
        assert sum(took) == pytest.approx(sum(result.seconds.values()), abs=0.01)


def test_junit_has_the_command_to_see_each_test_again() -> None:
    tests = ElementTree.fromstring(to_junit(sample.mixed())).findall("testcase")
    assert all(f"See it again: {sample.AGAIN}" in (test.findtext("system-out") or "") for test in tests)
    red = [wrong for test in tests for wrong in test if wrong.tag in ("failure", "error")]
    assert red
    assert all((wrong.text or "").startswith(wrong.get("message", "?")) for wrong in red)


def test_what_ended_a_command_early_is_in_every_form() -> None:
    report = replace(sample.report(sample.passing()), errors=(StageError("Cannot load it."),))
    assert report.exit_code == 3
    assert all("Cannot load it." in form for form in sample.shown(report)[:1] + sample.shown(report)[2:])
    (error,) = ElementTree.fromstring(to_junit(report)).iter("error")
    assert error.get("message") == "Cannot load it."


@settings(max_examples=200)
@given(messages)
@example("\x1b[31mred\x1b[0m")
@example("a null \x00 byte")
@example("\ufffe")
def test_no_message_breaks_junit(message: str) -> None:
    suite = ElementTree.fromstring(to_junit(sample.report(sample.erring(error=message))))
    assert suite.get("errors") == "1"


@pytest.mark.parametrize("render", [to_markdown, to_html, printed], ids=["markdown", "html", "terminal"])
def test_a_reader_is_told_at_once_that_core_ml_itself_did_not_run(render: object) -> None:
    assert callable(render)
    content = render(sample.mixed())
    assert content.index("Core ML itself did not run") < content.index(str(sample.ONNX))


def test_the_terminal_shows_every_case_unbroken_within_eighty_columns() -> None:
    every = sample.report(*(sample.passing(case) for case in MATRIX))
    lines = printed(every).splitlines()
    assert max(map(len, lines)) <= 80
    for case in MATRIX:
        assert sum(line.split()[:1] == [str(case)] for line in lines) == 1, case


def test_the_terminal_names_the_gates_that_failed_and_those_that_are_missing() -> None:
    lacking = replace(sample.passing(sample.PTE), verdicts=sample.passing(sample.PTE).verdicts[1:])
    lines = [line.rstrip() for line in printed(sample.report(sample.passing(), sample.failing(), lacking)).splitlines()]
    assert lines.count("  fails fidelity, loss") == lines.count("  lacks fidelity") == 1
    assert lines[lines.index("  fails fidelity, loss") - 1].split()[:2] == [str(sample.ONNX), "fail"]


@pytest.mark.parametrize("gates", [("fidelity",), ("identity",), ("fidelity", "identity")], ids=" ".join)
def test_a_column_of_the_terminal_is_named_after_the_gates_whose_numbers_it_holds(gates: tuple[str, ...]) -> None:
    results = [
        replace(found, verdicts=(replace(found.verdicts[0], gate=gate), *found.verdicts[1:]))
        for gate, found in zip(gates, (sample.passing(), sample.passing(sample.PTE)), strict=False)
    ]
    heading = printed(sample.report(*results)).partition("───")[0]
    assert [gate in heading for gate in ("fidelity", "identity")] == [
        gate in gates for gate in ("fidelity", "identity")
    ]


def test_the_terminal_breaks_a_long_name_before_a_number() -> None:
    long = Case("PE-Spatial-T16-512", "pte", "int8-static")
    lines = printed(sample.report(replace(sample.passing(long), profile="iphone-14"))).splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.split()[:3] == [str(long), "on", "pass"] for line in lines), lines
    assert any("fidelity" in line for line in lines)


def test_the_terminal_shows_a_sentence_as_it_is_without_taking_it_for_markup() -> None:
    assert HOSTILE in printed(sample.report(sample.erring(error=HOSTILE)), width=200)


@pytest.mark.parametrize("markup", ["[/x]", "[bold red]", ":smile:"])
def test_the_terminal_takes_no_name_for_markup(markup: str) -> None:
    found = replace(sample.passing(sample.CORE_ML, producer=f"Core ML {markup}"), profile=markup)
    found = replace(found, execution=Execution(markup, markup, {markup: 1}))
    shown = printed(sample.report(found), width=300)
    for wanted in (f"on {markup} ", f"run by {markup};", f"Core ML {markup}.", f"{markup} 100.0%"):
        assert wanted in shown


NASTY = "x\nPE-Nano/onnx/fp32 passes everything.\n\x1b[2Jü\u202e\udcff"
ESCAPED = r"x\nPE-Nano/onnx/fp32 passes everything.\n\x1b[2Jü\u202e\udcff"


@pytest.mark.parametrize("render", [printed, to_markdown, to_html, to_junit])
def test_a_name_in_a_file_cannot_print_a_line_or_a_code_of_its_own(
    render: Callable[[Report], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "platform", lambda: NASTY)
    monkeypatch.setattr(stored, "TOOLS", (NASTY,))
    monkeypatch.setattr(stored, "version", lambda name: NASTY)
    named = Execution(NASTY, NASTY, {NASTY: 1})
    found = replace(sample.failing(producer=NASTY), profile=NASTY, again=NASTY, unexplained=NASTY, execution=named)
    report = make_report(NASTY, NASTY, (found, sample.erring(error=NASTY)), 1.0)
    assert report.tools == {ESCAPED: ESCAPED}
    assert report.machine.startswith(ESCAPED)
    shown = render(report)
    assert not {"\x1b", "\u202e", "\udcff"} & set(shown)
    assert not any(line.startswith("PE-Nano/onnx/fp32 passes") for line in shown.splitlines())
    assert ESCAPED in " ".join(shown.split()) or ESCAPED in shown.replace("\n", "")


def test_a_report_with_a_name_that_is_not_utf_8_is_written_and_read(tmp_path: Path) -> None:
    found = sample.passing()
    worst = found.verdicts[0].worst
    assert worst
    verdict = replace(found.verdicts[0], comparisons={"a\udcff": worst})
    write(sample.report(replace(found, verdicts=(verdict,))), tmp_path)
    assert list(read(tmp_path).results[0].verdicts[0].comparisons or ()) == [r"a\udcff"]


def test_the_terminal_shows_infinite_numbers() -> None:
    assert "inf" in printed(sample.report(sample.passing()))
    assert "-inf" in printed(sample.report(sample.failing(fault="nan")))


def test_a_green_report_has_nothing_more_to_say() -> None:
    assert sentences(sample.report(sample.passing())) == []


def test_a_red_report_says_every_failure_and_how_to_see_it_again() -> None:
    report = sample.report(sample.passing(sample.CORE_ML), sample.failing(), sample.erring(sample.PTE, "It broke."))
    failures = [verdict.sentence for verdict in report.results[1].verdicts]
    assert sentences(report) == [
        *failures,
        f"See it again: {sample.AGAIN}",
        "It broke.",
        f"See it again: {sample.AGAIN}",
    ]


def test_a_case_that_nothing_judged_is_not_passed_over_in_silence() -> None:
    assert any(sample.AGAIN in sentence for sentence in sentences(sample.report(sample.unjudged())))


@every_report
def test_a_folder_then_holds_the_four_files_and_nothing_else(tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "build" / "report"
    write(report, folder)
    assert set(os.listdir(folder)) == FILES


def test_a_second_report_replaces_the_first(tmp_path: Path) -> None:
    write(sample.mixed(), tmp_path)
    last = sample.report(sample.passing())
    write(last, tmp_path)
    for name, render in {"report.md": to_markdown, "junit.xml": to_junit, "report.html": to_html}.items():
        assert (tmp_path / name).read_text(encoding="utf-8") == render(last)


@pytest.mark.parametrize("act", [lambda folder: write(sample.mixed(), folder), make_room], ids=["write", "ask"])
@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, act: object, place: str) -> None:
    assert callable(act)
    (tmp_path / "file").write_text("kept")
    with pytest.raises(ReportError, match="choose another --report") as failure:
        act(tmp_path / place)
    assert str(tmp_path / place) in str(failure.value)
    assert "\n" not in str(failure.value)
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("version", [b"", b'"of another version": '])
def test_asking_takes_away_an_older_report_of_any_version_and_nothing_else(tmp_path: Path, version: bytes) -> None:
    write(sample.mixed(), tmp_path)
    path = tmp_path / "report.json"
    path.write_bytes(path.read_bytes().replace(b'"results": ', version + b'"results": '))
    (tmp_path / "other").touch()
    make_room(tmp_path)
    assert os.listdir(tmp_path) == ["other"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_asking_refuses_a_folder_with_a_file_that_is_of_no_report_and_leaves_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ReportError, match=f"{name}' is in the way"):
        make_room(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {name: "mine"}


@pytest.mark.parametrize("gone", range(len(FILES)))
def test_a_report_that_was_half_taken_away_is_taken_away_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: int
) -> None:
    write(sample.mixed(), tmp_path)
    unlink, left = Path.unlink, iter(range(gone))

    def interrupted(path: Path) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_room(tmp_path)
    assert len(os.listdir(tmp_path)) == len(FILES) - gone
    make_room(tmp_path)
    assert os.listdir(tmp_path) == []


def test_asking_whether_a_folder_can_be_written_makes_it_and_leaves_it_empty(tmp_path: Path) -> None:
    make_room(tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == []
