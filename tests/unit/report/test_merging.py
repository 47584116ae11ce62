"""Reports of several jobs become one, or a sentence says why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import sample_reports as sample

from pe_validate.data.provenance import Commit, File, StageError
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.report.merging import merged
from pe_validate.report.render import write
from pe_validate.report.stored import read
from pe_validate.system.errors import ReportError


def join(*reports: Report) -> Report:
    return merged(reports, [f"job{number}" for number in range(len(reports))], "pe-validate merge")


def test_every_case_of_every_job_is_in_it_in_order() -> None:
    first, second = (
        sample.report(sample.passing(), sample.failing(sample.PTE)),
        sample.report(sample.erring(sample.CORE_ML)),
    )
    joined = join(first, second)
    assert joined.results == (*first.results, *second.results)
    assert joined.exit_code == 3
    assert joined.seconds == first.seconds + second.seconds
    assert (joined.machine, joined.weights, joined.tools) == (first.machine, first.weights, first.tools)


def test_one_report_alone_stays_what_it_is() -> None:
    report, joined = sample.mixed(), join(sample.mixed())
    assert joined == replace(report, command="pe-validate merge", created=joined.created)


def test_a_case_that_took_another_time_elsewhere_counts_once() -> None:
    first = sample.measured()
    assert first.artifact
    assert first.diagnosis
    again = replace(
        first,
        seconds={"run": 99.0},
        artifact=replace(first.artifact, seconds=9.0, path=Path("/other/place")),
        diagnosis=replace(first.diagnosis, seconds=7.0),
        latency=None,
    )
    assert join(sample.report(first), sample.report(again)).results == (first,)


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (sample.failing(), "verdicts"),
        (sample.erring(), "artifact, verdicts, error"),
        (replace(sample.passing(), weights_sha256="c"), "weights_sha256"),
    ],
    ids=["outcome", "error", "weights"],
)
def test_jobs_that_disagree_on_a_case_are_named_in_one_sentence(other: Result, what: str) -> None:
    sentence = rf"^'job0' and 'job2' disagree on {sample.ONNX} \({what}\): leave one of them out\.$"
    with pytest.raises(ReportError, match=sentence):
        join(sample.report(sample.passing()), sample.report(), sample.report(other))


def test_a_case_that_is_lost_in_both_is_the_same_in_both() -> None:
    lost = sample.failing(fault="nan")
    assert join(sample.report(lost), sample.report(lost)).results == (lost,)


def test_machines_tools_and_weights_are_all_named() -> None:
    first, second = sample.report(sample.passing()), sample.report(sample.passing(sample.PTE), weights="file:a")
    joined = join(
        replace(first, machine="A", tools={"torch": "1"}), replace(second, machine="B", tools={"torch": "2", "x": "3"})
    )
    assert (joined.machine, joined.weights, joined.tools) == ("A; B", "seed:7; file:a", {"torch": "1; 2", "x": "3"})


def test_errors_and_configuration_of_every_job_are_kept_once() -> None:
    error, file = StageError("It broke."), File(Path("pe-validate.toml"), "d", 3)
    first = replace(sample.report(), errors=(error,), configuration=(file,))
    joined = join(first, replace(first, errors=(error, StageError("That, too."))))
    assert joined.errors == (error, StageError("That, too."))
    assert joined.configuration == (file,)
    assert joined.exit_code == 3


def test_reports_of_several_commits_are_not_joined() -> None:
    first, second = (replace(sample.report(), commit=Commit(sha * 40, True)) for sha in "ab")
    with pytest.raises(ReportError, match=f"'job0' is of commit {'a' * 40}, 'job1' of {'b' * 40}"):
        join(first, second)
    edited = replace(first, commit=Commit("a" * 40, False))
    assert join(first, edited).commit == edited.commit
    assert join(replace(first, commit=None), first).commit == first.commit


def test_what_was_joined_is_a_report_like_any_other(tmp_path: Path) -> None:
    joined = join(sample.report(sample.passing()), sample.report(sample.measured()))
    write(joined, tmp_path)
    assert read(tmp_path) == joined
