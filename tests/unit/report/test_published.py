"""Reports keep to the schema that is published, and those of the last version are still read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import sample_reports as sample
from jsonschema import Draft202012Validator
from places import ROOT

from pe_validate.data.provenance import Commit, File, StageError
from pe_validate.data.report import VERSION, Report
from pe_validate.report.published import to_schema
from pe_validate.report.stored import FILE_NAME, read, to_json
from pe_validate.system.errors import ReportError

STORED: Final = ROOT / "docs" / "report.schema.json"
LAST: Final = Path(__file__).with_name("version-1.json")
"""A report as the version before this one wrote it."""

ORIGIN: Final[dict[str, Any]] = {
    "commit": Commit("a" * 40, False),
    "configuration": (File(Path("pe-validate.toml"), "d", 3),),
}
REPORTS: Final = {
    "empty": sample.report(),
    "pass": sample.report(sample.passing()),
    "every outcome": sample.mixed(),
    "everything": sample.report(sample.measured()),
    "of a check": sample.report(replace(sample.passing(), artifact=None, judged=File(Path("a.onnx"), "d", 3))),
    "ended early": replace(sample.report(), errors=(StageError("It broke.", File(Path("a.onnx"), "d", 3)),)),
    "with its origin": replace(sample.report(sample.failing()), **ORIGIN),
}
every_report = pytest.mark.parametrize("report", REPORTS.values(), ids=REPORTS)


def problems(content: object) -> list[str]:
    return [error.message for error in Draft202012Validator(json.loads(STORED.read_text())).iter_errors(content)]


def test_the_published_schema_is_that_of_today() -> None:
    """If not: pe-validate report --schema > docs/report.schema.json; and a new VERSION if older ones cannot read it."""
    assert STORED.read_text(encoding="utf-8") == to_schema()


def test_the_published_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(STORED.read_text()))


@every_report
def test_every_kind_of_report_keeps_to_the_schema(report: Report) -> None:
    assert problems(json.loads(to_json(report))) == []


@every_report
def test_every_kind_of_report_is_read_as_it_was_written(tmp_path: Path, report: Report) -> None:
    (tmp_path / FILE_NAME).write_bytes(to_json(report))
    assert read(tmp_path) == report


@pytest.mark.parametrize("key", ["headlines", "version", "results", "command", "created"])
def test_the_schema_misses_what_is_missing(key: str) -> None:
    content = json.loads(to_json(sample.mixed()))
    del content[key]
    assert problems(content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"status": "pass"', '"status": "perfect"'),
        ('"snr_db": "-Infinity"', '"snr_db": "loud"'),
        (f'"version": {VERSION}', '"version": 1'),
        ('"size": 22600000', '"size": -1'),
    ],
)
def test_the_schema_sees_what_cannot_be(old: str, new: str) -> None:
    content = to_json(sample.mixed()).decode()
    assert old in content
    assert problems(json.loads(content.replace(old, new)))


def test_a_report_says_its_version() -> None:
    assert json.loads(to_json(sample.mixed()))["version"] == VERSION


@pytest.mark.parametrize("as_folder", [True, False])
def test_a_report_of_the_last_version_is_read_as_one_of_this(tmp_path: Path, as_folder: bool) -> None:
    assert "version" not in json.loads(LAST.read_text())
    (tmp_path / FILE_NAME).write_bytes(LAST.read_bytes())
    found = read(tmp_path if as_folder else tmp_path / FILE_NAME)
    assert [result.status for result in found.results] == ["pass", "fail"]
    assert (found.version, found.errors, found.commit) == (VERSION, (), None)
    assert problems(json.loads(to_json(found))) == []
    assert all(sample.shown(found))


@pytest.mark.parametrize("version", [VERSION + 1, 10**6])
def test_a_report_of_a_newer_version_is_one_sentence_whatever_it_holds(tmp_path: Path, version: int) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"version": version, "results": "elsewhere"}))
    with pytest.raises(ReportError, match=rf"is a report of version {version}, from a newer pe-validate; .*\.$"):
        read(tmp_path)


@pytest.mark.parametrize("version", [0, -1, None, "2", 1.5])
def test_a_version_that_cannot_be_is_refused(tmp_path: Path, version: object) -> None:
    content = json.loads(to_json(sample.mixed())) | {"version": version}
    (tmp_path / FILE_NAME).write_text(json.dumps(content))
    if version == "2":  # as lenient as with any other number
        assert read(tmp_path)
        return
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)


def test_a_case_that_exists_no_more_is_read_for_a_diff_alone(tmp_path: Path) -> None:
    content = to_json(sample.mixed()).replace(b'"onnx"', b'"tflite"')
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(ReportError, match="is not a report of this version"):
        read(tmp_path)
    assert read(tmp_path, known=False).results[0].case.target == "tflite"
