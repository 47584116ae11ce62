"""Many programs on many profiles: each interpreter is started once, each program exported and run here once."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import perf_counter

from pe_validate.case import Case, select
from pe_validate.data.artifact import Artifact
from pe_validate.data.outputs import Outputs
from pe_validate.data.result import Result
from pe_validate.machines.arm64.environment import setup
from pe_validate.machines.arm64.examination import answers_here, examine, required
from pe_validate.machines.arm64.profiles import HOST, Profile
from pe_validate.machines.arm64.runtime import TIMEOUT, Guest
from pe_validate.models.registry import DEFAULT_WEIGHTS
from pe_validate.reference.reference import Reference, reference
from pe_validate.system.errors import RunError, UsageError
from pe_validate.walk.walk import Progress, export_all, quiet

Costs = Mapping[str, Mapping[str, int]]
""":attr:`Execution.cost` by profile and case."""


def programs(patterns: Sequence[str]) -> tuple[Case, ...]:
    """The ExecuTorch cases among those that are named.

    Raises:
        UsageError: there is none.
    """
    found = tuple(case for case in select(patterns) if case.target == "pte")
    if not found:
        raise UsageError("None of these runs on an arm64 CPU: choose cases of pte, such as PE-Core-T16-384/pte/int8.")
    return found


def validate_all(
    cases: Sequence[Case],
    profiles: Sequence[Profile],
    weights: str = DEFAULT_WEIGHTS,
    *,
    inputs: int = 2,
    costs: Costs | None = None,
    cache_dir: Path | None = None,
    timeout: float = TIMEOUT,
    options: Sequence[str] = (),
    progress: Progress = quiet,
) -> tuple[Result, ...]:
    """Every case on every profile, each shown the first ``inputs`` images; ``timeout`` is that of a :class:`Guest`.

    ``options`` of the command line are those that who sees a result again must repeat.

    Raises:
        UsageError, LoadError, ExportError, SetupError: what is needed before anything can run.
    """
    for profile in profiles:
        setup(profile, cache_dir, lambda stage: progress(cases[0], stage))
    models = {}
    for model in dict.fromkeys(case.model for case in cases):
        loaded = reference(model, weights)
        models[model] = replace(loaded, inputs=loaded.inputs[:inputs])
    artifacts = export_all(cases, weights, cache_dir=cache_dir, progress=progress)

    here = cache(lambda case: answers_here(artifacts[case], models[case.model]))
    results = []
    for profile in profiles:
        with _Machine(profile, cache_dir, timeout) as machine:
            for case in cases:
                progress(case, f"run on {profile.name}")
                results.append(_judged(artifacts[case], models[case.model], here, machine, costs or {}, options))
                progress(case, "done")
    return tuple(results)


def _judged(
    artifact: Artifact,
    model: Reference,
    here: Callable[[Case], Outputs | None],
    machine: _Machine,
    costs: Costs,
    options: Sequence[str],
) -> Result:
    case, profile, start = artifact.case, machine.profile, perf_counter()
    again = ["pe-validate", "arm64", "run", str(case), "--weights", model.weights.spec]
    again += [*([] if profile is HOST else ["--profile", profile.name]), *options]
    result = Result(case, {}, model.weights.sha256, shlex.join(again), (), artifact, profile=profile.name)
    try:
        guest, native = machine.guest(), here(case)
        execution, verdicts = examine(artifact, model, native, guest, costs.get(profile.name, {}).get(str(case)))
        wanted = required(case, profile, costs) if guest.emulated else ("parity", "fidelity", "loss")
        wanted = tuple(gate for gate in wanted if native or gate != "parity")
        result = replace(result, execution=execution, verdicts=verdicts, required=wanted)
    except RunError as error:
        result = replace(result, error=str(error))
    return replace(result, seconds={"export": artifact.seconds, "run": perf_counter() - start})


class _Machine:
    """A guest that is started when it is needed, and again when a program has ended it."""

    def __init__(self, profile: Profile, cache_dir: Path | None, timeout: float) -> None:
        self.profile, self._cache_dir, self._timeout = profile, cache_dir, timeout
        self._started = ExitStack()
        self._guest: Guest | None = None

    def guest(self) -> Guest:
        if self._guest is None or not self._guest.alive:
            self._started.close()
            made = Guest(setup(self.profile, self._cache_dir), self.profile, self._timeout)
            self._guest = self._started.enter_context(made)
        return self._guest

    def __enter__(self) -> _Machine:
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()
