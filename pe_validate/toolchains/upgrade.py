"""The walk from one toolchain to another: cases judged with each, files exchanged, and the difference judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case, itself
from pe_validate.data.compare import compare_outputs
from pe_validate.data.comparison import Comparison, worst
from pe_validate.data.outputs import Outputs
from pe_validate.data.progress import Progress, quiet
from pe_validate.data.result import Result
from pe_validate.data.upgrade import Crossing, Difference, Side
from pe_validate.system.errors import RunError
from pe_validate.toolchains.environment import environment
from pe_validate.toolchains.limits import passed
from pe_validate.toolchains.session import Session
from pe_validate.toolchains.table import Toolchain

Packages = dict[str, tuple[str | None, str | None]]
"""Versions of what differs between two environments, by distribution; None where it is missing."""


def upgraded(
    old: Toolchain,
    new: Toolchain,
    cases: Sequence[Case],
    folder: Path,
    options: Sequence[str] = (),
    *,
    photographs: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
) -> tuple[tuple[Difference, ...], Packages]:
    """Judge ``cases`` with both toolchains; return what changes for each, and the versions that differ.

    Their reports are written to ``from`` and ``to`` in ``folder``. ``options`` are those of ``pe-validate run``. Both
    environments are made before anything is judged.

    Raises:
        UsageError, SetupError: this machine cannot have one of the toolchains.
        RunError: nothing could be judged with one of them.
    """
    for toolchain in (old, new):  # both, before the first is installed
        toolchain.check_place()
    with ExitStack() as stack:
        sessions = []
        for toolchain in (old, new):
            tell = _teller(progress, cases[0], toolchain.name)
            made = stack.enter_context(environment(toolchain, cache_dir, tell))
            sessions.append(stack.enter_context(Session(made, tell)))
        places = (folder / "from", folder / "to")
        reports = [session.judge(cases, options, place) for session, place in zip(sessions, places, strict=True)]
        before, after = ({result.case: result for result in report.results} for report in reports)
        rows = []
        for case in cases:
            progress(case, "answered by the other toolchain's runtime")
            rows.append(_difference(sessions, (before[case], after[case]), photographs))
            progress(case, "done")
        return tuple(rows), _differing(*(session.environment.versions for session in sessions))


def _teller(progress: Progress, first: Case, name: str) -> Callable[[str], None]:
    return lambda stage: progress(itself(first.model), f"{name}: {stage}")


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Packages:
    both = {name: (old.get(name), new.get(name)) for name in sorted({*old, *new}, key=str.lower)}
    return {name: (before, after) for name, (before, after) in both.items() if before != after}


def _difference(sessions: Sequence[Session], results: tuple[Result, Result], photographs: Path | None) -> Difference:
    homes = [_answers(s, r.artifact, photographs) for s, r in zip(sessions, results, strict=True)]
    old, new = (_side(s, r) for s, r in zip(sessions, results, strict=True))
    crossings = (
        _crossing(maker, runner, result.artifact, home, photographs)
        for (maker, runner), result, home in zip((sessions, sessions[::-1]), results, homes, strict=True)
        if result.artifact
    )
    found = Difference(results[0].case, old, new, _worst(*homes), tuple(crossings))
    return replace(found, passed=passed(found))


def _side(session: Session, result: Result) -> Side:
    """Return one side of the difference; what cannot be read of a file that was made is left out."""
    judged = Side(
        result.status,
        {v.gate: v.worst.snr_db for v in result.verdicts if v.worst},
        (*(v.gate for v in result.verdicts if v.status != "pass"), *result.missing),
        result.error,
    )
    if not (made := result.artifact):
        return judged
    try:
        operators = session.operators(result.case, made.path)
    except RunError:
        operators = {}
    return replace(
        judged,
        sha256=made.sha256,
        bytes=made.size,
        lowering_s=made.seconds,
        calls=made.delegation.delegate_calls if made.delegation else None,
        outside=made.delegation.left_over if made.delegation else (),
        operators=operators,
    )


def _answers(session: Session, made: Artifact | None, photographs: Path | None) -> Outputs | str | None:
    """Return the answers of a file, or the reason why there are none; None if there is no file."""
    if made is None:
        return None
    try:
        return session.answers(made.case, made.path, photographs)
    except RunError as error:
        return str(error).rstrip(".")


def _crossing(
    maker: Session, runner: Session, made: Artifact, home: Outputs | str | None, photographs: Path | None
) -> Crossing:
    found = _answers(runner, made, photographs)
    if not isinstance(found, Outputs):
        return Crossing(maker.name, runner.name, refused=found)
    return Crossing(maker.name, runner.name, _worst(home, found))


def _worst(reference: Outputs | str | None, actual: Outputs | str | None) -> Comparison | None:
    """Compare two answers; None if one of them is none, or if a file has other outputs."""
    if not (isinstance(reference, Outputs) and isinstance(actual, Outputs)):
        return None
    try:
        return worst(list(compare_outputs(reference, actual).values()))
    except ValueError:
        return None
