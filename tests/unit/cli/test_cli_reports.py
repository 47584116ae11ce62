"""What commands leave behind when a stage fails, and the commands that compare and join reports."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import commands
import pytest
import sample_reports as sample
from commands import Done

from pe_validate.cli.reporting import reporting
from pe_validate.report.render import FILES, write
from pe_validate.report.stored import read, to_json
from pe_validate.system.errors import LoadError, RunError, UsageError
from pe_validate.system.files import digest

OLDER = sample.report(sample.passing())
REPORT = Path("build/report")


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    return partial(commands.pe_validate, folder=tmp_path)


def said(done: Done) -> str:
    """The only sentence on stderr."""
    assert "Traceback" not in done.stderr
    (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("pe-validate: ")]
    return sentence.removeprefix("pe-validate: ")


def in_json(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "damaged.onnx", "--model", "PE-Nano"),
        ("check", "damaged.pte", "--model", "PE-Nano"),
        ("run", "PE-Nano/onnx", "--weights", "file:missing.pt"),
        ("run", "PE-Nano/onnx", "--images", "nowhere"),
    ],
    ids=" ".join,
)
def test_a_stage_that_fails_leaves_a_report_with_the_error(
    pe_validate: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write(OLDER, tmp_path / REPORT)
    for name in ("damaged.onnx", "damaged.pte"):
        (tmp_path / name).write_bytes(b"no program")
    done = pe_validate(*arguments, "--json")
    assert done.returncode == 3, done.stderr
    content = json.loads(done.stdout)
    assert content == in_json(tmp_path / REPORT)
    assert content["headlines"][:2] == ["0 of 0 cases pass, 0 fail, 0 could not be run.", f"Not finished: {said(done)}"]
    suite = ElementTree.parse(tmp_path / REPORT / "junit.xml").getroot()
    assert [error.get("message") for error in suite.iter("error")] == [said(done)]
    assert set(os.listdir(tmp_path / REPORT)) == set(FILES)
    again = pe_validate("report")
    assert again.returncode == 3
    assert said(done) in " ".join(again.stdout.split())


def test_a_check_that_cannot_read_a_file_says_which_it_was(pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "damaged.pte"
    path.write_bytes(b"no program")
    assert pe_validate("check", "damaged.pte", "--model", "PE-Nano").stdout == ""
    (error,) = in_json(tmp_path / REPORT)["errors"]
    assert error["judged"] == {"path": str(path), "sha256": digest(path), "size": 10}


def test_a_check_names_the_file_that_it_judged(pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    assert pe_validate("export", "PE-Nano/onnx", "--out", ".").returncode == 0
    path = tmp_path / "PE-Nano-fp32.onnx"
    done = pe_validate("check", path.name, "--model", "PE-Nano", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    judged = {"path": str(path), "sha256": digest(path), "size": path.stat().st_size}
    assert [result["judged"] for result in content["results"]] == [judged]
    assert content["command"] == content["results"][0]["again"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "missing.onnx", "--model", "PE-Nano"),
        ("check", "a.onnx", "--model", "PE-Nano", "--precision", "int3"),
        ("run", "PE-Nano/onnx", "--weights", "imagenet"),
        ("run", "nothing"),
    ],
    ids=" ".join,
)
def test_a_wrong_request_takes_no_older_report_away(
    pe_validate: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    write(OLDER, tmp_path / REPORT)
    before = {path: path.read_bytes() for path in (tmp_path / REPORT).iterdir()}
    assert pe_validate(*arguments).returncode == 2
    assert {path: path.read_bytes() for path in (tmp_path / REPORT).iterdir()} == before


@pytest.mark.parametrize("end", [UsageError("No."), SystemExit(130)], ids=["a wrong request", "Ctrl-C"])
def test_nothing_is_taken_away_if_nothing_was_found_out(tmp_path: Path, end: BaseException) -> None:
    write(OLDER, tmp_path)
    with pytest.raises(type(end)), reporting("pe-validate run", "seed:7", tmp_path, False):
        raise end
    assert read(tmp_path) == OLDER


def test_a_command_that_is_killed_leaves_no_report_of_another(tmp_path: Path) -> None:
    write(OLDER, tmp_path)
    with reporting("pe-validate run", "seed:7", tmp_path, False):
        assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("end", [RunError("It broke."), LoadError("It broke."), OSError(36, "It broke.", "a")])
def test_an_error_takes_the_place_of_an_older_report(
    tmp_path: Path, end: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    write(OLDER, tmp_path)
    with pytest.raises(Exception, match="It broke"), reporting("pe-validate run", "seed:7", tmp_path, True):
        raise end
    found = read(tmp_path)
    assert "It broke" in found.errors[0].sentence
    assert (found.results, found.exit_code) == ((), 3)
    assert json.loads(capsys.readouterr().out) == in_json(tmp_path)


def test_a_mistake_of_ours_leaves_no_report(tmp_path: Path) -> None:
    write(OLDER, tmp_path)
    with pytest.raises(ZeroDivisionError), reporting("pe-validate run", "seed:7", tmp_path, False):
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == []


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """A folder with a report that passes, one that fails, one of another case, and one with an error."""
    write(OLDER, tmp_path / "base")
    write(replace(OLDER, results=(sample.failing(),)), tmp_path / "red")
    write(sample.report(sample.passing(sample.PTE)), tmp_path / "other")
    write(sample.mixed(), tmp_path / "mixed")
    return tmp_path


@pytest.mark.parametrize("form", [(), ("--markdown",), ("--json",)], ids=["terminal", "Markdown", "JSON"])
def test_diff_exits_by_what_is_worse(pe_validate: Callable[..., Done], reports: Path, form: tuple[str, ...]) -> None:
    allowed = [word for gate in ("loss", "fidelity") for word in ("--allow", f"{sample.ONNX}/{gate}=It is known.")]
    for arguments, code, words in (
        (("base", "base"), 0, "0 regressions"),
        (("base", "red"), 1, "2 regressions"),
        (("red/report.json", "base"), 0, "2 improvements"),
        (("base", "red", *allowed), 0, "0 regressions, 2 allowed"),
    ):
        done = pe_validate("diff", *arguments, *form)
        assert (done.returncode, done.stderr) == (code, "")
        assert words in done.stdout
    assert "It is known." in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("base", "other"), 2, "have no case in common"),
        (("base", "red", "--allow", f"{sample.ONNX}/loss"), 2, "is not CASE/GATE=REASON"),
        (("base", "red", "--allow", f"{sample.ONNX}/loss="), 2, "is not CASE/GATE=REASON"),
        (("base", "red", "--allow", f"{sample.ONNX}/los=x"), 2, f"Did you mean '{sample.ONNX}/loss'?"),
        (("base", "base", "--allow", f"{sample.ONNX}/loss=x"), 2, "no regression here"),
        (("base", "red", "--markdown", "--json"), 2, "Choose one"),
        (("base", "missing"), 3, "No report at 'missing/report.json'"),
        (("base", "truncated.json"), 3, "'truncated.json' is not a report of this version"),
        (("huge.json", "base"), 3, "'huge.json' is not a report of this version"),
        (("base", "newer.json"), 3, "'newer.json' is a report of version 99, from a newer pe-validate"),
        (("base", "base/report.md"), 3, "base/report.md"),
        (("base", "\x1b[31m[red]"), 3, r"'\x1b[31m[red]/report.json'"),
    ],
    ids=lambda value: " ".join(value).replace("\x1b", "ESC") if isinstance(value, tuple) else None,
)
def test_what_cannot_be_compared_is_one_sentence(
    pe_validate: Callable[..., Done], reports: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    content = to_json(OLDER)
    (reports / "truncated.json").write_bytes(content[: len(content) // 2])
    (reports / "newer.json").write_bytes(content.replace(b'"version": 2', b'"version": 99'))
    (reports / "huge.json").touch()
    os.truncate(reports / "huge.json", 2**40)
    done = pe_validate("diff", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert words in said(done)


def test_hostile_names_in_a_report_are_shown_as_they_are(pe_validate: Callable[..., Done], reports: Path) -> None:
    content = in_json(reports / "base")
    content["results"][0]["case"]["model"] = "[red]\x1b[2J<script>"
    (reports / "hostile.json").write_text(json.dumps(content))
    assert pe_validate("diff", "base", "hostile.json").returncode == 2
    write(replace(OLDER, results=()), reports / "none")
    for form in ((), ("--markdown",), ("--json",)):
        done = pe_validate("diff", "none", "hostile.json", *form)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout
        assert ("<script>" in done.stdout) == (form != ("--markdown",))


def test_merge_joins_reports_and_exits_as_the_worst(pe_validate: Callable[..., Done], reports: Path) -> None:
    done = pe_validate("merge", "base", "other/report.json", "--report", "all", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == in_json(reports / "all")
    assert set(os.listdir(reports / "all")) == set(FILES)
    assert [result.case for result in read(reports / "all").results] == [sample.ONNX, sample.PTE]
    assert read(reports / "all").command == "pe-validate merge base other/report.json --report all"
    assert pe_validate("merge", "red", "other", "--report", "all").returncode == 1
    assert pe_validate("diff", "base", "all").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("base", "red"), 3, f"'base' and 'red' disagree on {sample.ONNX}"),
        (("base", "missing"), 3, "No report at 'missing/report.json'"),
    ],
    ids=["disagree", "missing"],
)
def test_what_cannot_be_joined_is_one_sentence_and_changes_nothing(
    pe_validate: Callable[..., Done], reports: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    write(OLDER, reports / "all")
    done = pe_validate("merge", *arguments, "--report", "all")
    assert (done.returncode, done.stdout) == (code, "")
    assert words in said(done)
    assert read(reports / "all") == OLDER


def test_the_schema_of_reports_is_printed_without_a_report(pe_validate: Callable[..., Done]) -> None:
    done = pe_validate("report", "--schema")
    assert (done.returncode, json.loads(done.stdout)["title"]) == (0, "pe-validate report")
