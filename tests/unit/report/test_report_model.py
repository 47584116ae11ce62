"""What a report counts as a pass, and that it reads back as it was written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sample_reports as sample
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pe_validate.case import MATRIX, Case
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.report.render import write
from pe_validate.report.stored import FILE_NAME, read, to_json
from pe_validate.system.errors import ReportError
from pe_validate.system.legible import printable

Way = tuple[str | int, ...]

RESULTS = {
    "pass": sample.passing(),
    "fail": sample.failing(),
    "error": sample.erring(),
    "unjudged": sample.unjudged(),
}


@pytest.mark.parametrize(
    ("result", "status"),
    [
        (sample.passing(), "pass"),
        (sample.failing(), "fail"),
        (sample.failing(fault="nan"), "fail"),
        (replace(sample.failing(), verdicts=sample.failing().verdicts[:1] + sample.passing().verdicts[1:]), "fail"),
        (replace(sample.failing(), verdicts=sample.passing().verdicts[:1] + sample.failing().verdicts[1:]), "fail"),
        (sample.misshapen(), "fail"),
        (sample.erring(), "error"),
        (sample.unjudged(), "error"),
        (replace(sample.passing(), error="it died later."), "error"),
        (replace(sample.failing(), error="it died later."), "error"),
        (replace(sample.passing(), error=""), "error"),
        (replace(sample.passing(), verdicts=sample.passing().verdicts[:1]), "error"),
        (replace(sample.failing(), verdicts=sample.failing().verdicts[:1]), "fail"),
    ],
    ids=[
        "every gate passes",
        "gates fail",
        "not finite",
        "the first gate fails",
        "the last gate fails",
        "another shape",
        "a stage failed",
        "nothing judged",
        "error after passing",
        "error after failing",
        "error without a word",
        "a required gate is missing",
        "one is missing, another fails",
    ],
)
def test_a_case_passes_only_when_it_was_judged_and_every_gate_passed(result: Result, status: str) -> None:
    assert result.status == status


@pytest.mark.parametrize(
    ("kinds", "exit_code"),
    [
        ([], 3),
        (["pass"], 0),
        (["pass", "pass"], 0),
        (["fail"], 1),
        (["pass", "fail"], 1),
        (["fail", "pass"], 1),
        (["error"], 3),
        (["unjudged"], 3),
        (["pass", "unjudged"], 3),
        (["pass", "error"], 3),
        (["error", "pass"], 3),
        (["fail", "error"], 3),
        (["error", "fail"], 3),
        (["pass", "fail", "error"], 3),
    ],
    ids=lambda value: " ".join(value) or "empty" if isinstance(value, list) else None,
)
def test_the_exit_code_is_that_of_the_worst_case_and_nothing_is_no_pass(kinds: list[str], exit_code: int) -> None:
    assert sample.report(*(RESULTS[kind] for kind in kinds)).exit_code == exit_code


@settings(max_examples=50)
@given(st.lists(st.sampled_from(sorted(RESULTS)), max_size=5))
def test_exit_zero_means_that_every_case_passed(kinds: list[str]) -> None:
    report = sample.report(*(RESULTS[kind] for kind in kinds))
    assert (report.exit_code == 0) == (set(kinds) == {"pass"})


def test_the_first_headline_counts_every_case() -> None:
    assert sample.mixed().headlines[0] == "1 of 6 cases pass, 3 fail, 2 could not be run."


def test_a_report_without_core_ml_says_nothing_of_it() -> None:
    assert "Core ML" not in " ".join(sample.report(sample.passing()).headlines)


def test_headlines_say_who_produced_the_core_ml_numbers_and_that_core_ml_did_not_run() -> None:
    evaluated = sample.passing(sample.CORE_ML, producer="Core ML reference evaluator, declared")
    _, producers, absence = sample.report(sample.passing(), evaluated).headlines
    assert producers == "Core ML numbers were produced by: Core ML reference evaluator, declared."
    assert absence.startswith("Core ML itself did not run")


def test_headlines_say_which_runtime_produced_the_core_ai_numbers_and_which_processors_took_no_part() -> None:
    ran = sample.passing(sample.PTE, producer="Core AI on the CPU (coreai-core 1.0.0b3)")
    _, said = sample.report(ran).headlines
    assert said.startswith(
        "Core AI numbers were produced by: Core AI on the CPU (coreai-core 1.0.0b3). The Neural Engine"
    )
    assert "Core AI" not in " ".join(sample.report(sample.passing()).headlines)


def test_headlines_of_a_run_on_core_ml_itself_do_not_deny_it() -> None:
    native = sample.passing(sample.CORE_ML, producer="Core ML on the CPU (coremltools 9.0)")
    headlines = sample.report(native).headlines
    assert "Core ML on the CPU (coremltools 9.0)" in headlines[1]
    assert "did not run" not in " ".join(headlines)


@pytest.mark.parametrize(
    "report",
    [sample.report(), sample.report(sample.passing()), sample.mixed()],
    ids=["empty", "one pass", "one of each kind"],
)
def test_a_report_reads_back_as_it_was_written(tmp_path: Path, report: Report) -> None:
    write(report, tmp_path)
    assert read(tmp_path) == report


def test_a_report_of_values_that_are_not_finite_is_plain_json() -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    content = json.loads(to_json(sample.mixed()), parse_constant=refuse)
    worst = content["results"][2]["verdicts"][0]["worst"]
    assert worst == {"max_abs": "Infinity", "max_rel": "Infinity", "snr_db": "-Infinity", "cosine": -1, "finite": False}


@settings(max_examples=50)
@given(st.text())
@example("a surrogate \udcff, as in a name that is not UTF-8")
def test_any_sentence_survives_json_with_what_cannot_be_printed_escaped(text: str) -> None:
    report = sample.report(sample.erring(error=text))
    stored = json.loads(to_json(report))
    assert stored["results"][0]["error"] == printable(text)


def test_a_missing_report_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="make one with 'pe-validate run'") as failure:
        read(tmp_path / "missing")
    assert str(tmp_path / "missing" / FILE_NAME) in str(failure.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"null", b"not json", b"\xff\xfe", b'{"command": "x"}', b"[" * 100_000],
    ids=["empty", "no fields", "a list", "null", "text", "not UTF-8", "some fields", "deep nesting"],
)
def test_what_is_no_report_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ReportError, match="is not a report of this version") as failure:
        read(tmp_path)
    assert str(tmp_path / FILE_NAME) in str(failure.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"status": "pass"', b'"status": "perfect"'),
        (b'"gate": "loss"', b'"gate": "hope"'),
        (b'"snr_db": ', b'"snr_db": "loud", "was": '),
        (b'"seconds": 20.0', b'"seconds": []'),
        (b'"results"', b'"outcomes"'),
    ],
    ids=["status", "gate", "number", "seconds", "field"],
)
def test_a_report_that_was_tampered_with_is_refused(tmp_path: Path, old: bytes, new: bytes) -> None:
    write(sample.mixed(), tmp_path)
    path = tmp_path / FILE_NAME
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)


def places(value: object, way: Way = ()) -> Iterator[Way]:
    """Where everything is in parsed JSON, by keys and positions."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*way, key)
            yield from places(each, (*way, key))


def put(content: object, way: Way, value: object) -> bytes:
    """The JSON of ``content`` with another value at one place."""
    changed = inner = json.loads(json.dumps(content))
    for key in way[:-1]:
        inner = inner[key]
    inner[way[-1]] = value
    return json.dumps(changed).encode()


@pytest.mark.parametrize("value", [0, -1, 10**400, "NaN", "Infinity", "-Infinity", None, {}, [], "[/x]"], ids=repr)
def test_whatever_stands_at_a_place_of_a_report_it_is_refused_or_shown(tmp_path: Path, value: object) -> None:
    whole = sample.report(sample.measured())
    content = json.loads(to_json(whole))
    refused = 0
    for way in places(content):
        (tmp_path / FILE_NAME).write_bytes(put(content, way, value))
        try:
            found = read(tmp_path)
        except ReportError:
            refused += 1
        else:
            assert all(sample.shown(found)), way
            assert all(sample.compared(whole, found)), way
    assert refused


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("execution", "products"), {"k": 0}),
        (("execution", "products"), {"k": -1, "j": 1}),
        (("execution", "instructions"), 10**400),
        (("execution", "instructions"), -1),
        (("peak_memory",), 10**400),
        (("artifact", "size"), 10**400),
        (("case", "model"), "PE-Core-X"),
    ],
    ids=str,
)
def test_a_report_whose_numbers_or_case_cannot_be_is_refused(tmp_path: Path, way: Way, value: object) -> None:
    content = json.loads(to_json(sample.report(sample.measured())))
    (tmp_path / FILE_NAME).write_bytes(put(content, ("results", 0, *way), value))
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "device", "too large"])
def test_what_may_never_end_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / FILE_NAME
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 2**40)
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)


def test_half_a_report_is_refused(tmp_path: Path) -> None:
    write(sample.mixed(), tmp_path)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)


def test_a_folder_in_place_of_the_report_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_a_report_of_every_case_is_read_as_it_was_written(case: Case, tmp_path: Path) -> None:
    written = sample.report(sample.passing(case))
    (tmp_path / FILE_NAME).write_bytes(to_json(written))
    assert read(tmp_path) == written
