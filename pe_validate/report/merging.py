"""Join the reports of jobs that each validated some of the cases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from pathlib import Path

from pe_validate.data.provenance import Commit, File
from pe_validate.data.report import Report
from pe_validate.data.result import Result
from pe_validate.report.differing import by_name
from pe_validate.report.stored import this_second
from pe_validate.system.errors import ReportError


def merged(reports: Sequence[Report], paths: Sequence[str], command: str) -> Report:
    """Return one report of ``reports``, which were read from ``paths``, in their order; made now.

    A case that several have counts once if they say the same of it, whatever time it took.

    Raises:
        ReportError: two disagree on a case, or were made of different commits.
    """
    found: dict[str, Result] = {}
    origin: dict[str, str] = {}
    for report, path in zip(reports, paths, strict=True):
        for name, result in by_name(report, path).items():
            if name in found and (apart := _apart(found[name], result)):
                raise ReportError(
                    f"'{origin[name]}' and '{path}' disagree on {name} ({', '.join(apart)}): leave one of them out."
                )
            if name not in found:
                found[name], origin[name] = result, path
    return Report(
        command,
        _joined(report.weights for report in reports),
        tuple(found.values()),
        sum(report.seconds for report in reports),
        created=this_second(),
        machine=_joined(report.machine for report in reports),
        tools=_tools(reports),
        errors=tuple(dict.fromkeys(error for report in reports for error in report.errors)),
        commit=_commit(reports, paths),
        configuration=_files(reports),
        pictures={name: picture for report in reports for name, picture in report.pictures.items()},
    )


def _apart(one: Result, other: Result) -> list[str]:
    """Return the names of what two results of one case differ in, but for times and places."""
    pair = _untimed(one), _untimed(other)
    # As text: NaN is not equal to itself.
    return [f.name for f in fields(Result) if len({repr(getattr(result, f.name)) for result in pair}) > 1]


def _untimed(result: Result) -> Result:
    """Return a result without what time and place change."""
    artifact, judged, diagnosis = result.artifact, result.judged, result.diagnosis
    return replace(
        result,
        seconds={},
        again="",
        artifact=replace(artifact, seconds=0.0, path=Path()) if artifact else None,
        judged=replace(judged, path=Path()) if judged else None,
        diagnosis=replace(diagnosis, seconds=0.0) if diagnosis else None,
        latency=None,
        peak_memory=None,
    )


def _joined(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(words))


def _tools(reports: Sequence[Report]) -> dict[str, str]:
    """Return every tool with its version, or with its versions if jobs had several."""
    names = dict.fromkeys(name for report in reports for name in report.tools)
    return {name: _joined(report.tools[name] for report in reports if name in report.tools) for name in names}


def _commit(reports: Sequence[Report], paths: Sequence[str]) -> Commit | None:
    """Return the commit of all reports that name one.

    Raises:
        ReportError: they name several.
    """
    known = [(report.commit, path) for report, path in zip(reports, paths, strict=True) if report.commit]
    for commit, path in known[1:]:
        if commit.sha != known[0][0].sha:
            raise ReportError(
                f"'{known[0][1]}' is of commit {known[0][0]}, '{path}' of {commit}: join reports of one commit."
            )
    return next((commit for commit, _ in known if not commit.clean), known[0][0] if known else None)


def _files(reports: Sequence[Report]) -> tuple[File, ...]:
    return tuple(dict.fromkeys(file for report in reports for file in report.configuration))
