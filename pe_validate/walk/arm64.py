"""The walk on arm64 cores: many programs on many profiles.

Each interpreter is started once, and each program is exported, and run on this machine, once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import Self

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.progress import Progress, quiet
from pe_validate.data.result import Result
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.registry import required
from pe_validate.machines.arm64.costs import Costs
from pe_validate.machines.arm64.environment import setup
from pe_validate.machines.arm64.profiles import HOST, Profile
from pe_validate.machines.arm64.runtime import GUEST_TIMEOUT, Arm64Runtime, Guest, execution_of
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.reference.reference import Reference, reference
from pe_validate.system.errors import RunError, UsageError
from pe_validate.targets.base import Purpose
from pe_validate.targets.open import run
from pe_validate.targets.registry import recipe, target_of, targets
from pe_validate.walk.again import command
from pe_validate.walk.walk import examine, export_all


def programs(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Return those of ``cases`` that an arm64 core can run.

    Raises:
        UsageError: there is none.
    """
    found = tuple(case for case in cases if target_of(case).runs_on_arm64)
    if not found:
        kinds = ", ".join(target.name for target in targets().values() if target.runs_on_arm64)
        raise UsageError(
            f"None of these runs on an arm64 CPU: choose cases of {kinds}, such as PE-Core-T16-384/pte/int8."
        )
    return found


class Arm64Evidence(Evidence):
    """Evidence of a program in the guest of a profile; ``native`` is its outputs on this machine's own CPU."""

    def __init__(
        self, subject: Subject, artifact: Artifact, reference: Reference, guest: Guest, native: Outputs | None
    ) -> None:
        super().__init__(subject, artifact.path, reference, artifact=artifact)
        self.native, self._guest = native, guest
        self._found: Outputs | None = None

    def answers(self, purpose: Purpose) -> Outputs:
        """Return the features of every input, and store what ran for the first one as :attr:`execution`."""
        if self._found is None:
            runtime = Arm64Runtime(self.path, self._guest)
            runtime.interface = self.model.interface
            inputs = self.reference.inputs
            first = run(runtime, inputs[:1])
            self.execution = execution_of(runtime, self._guest)
            self._found = Outputs(runtime.producer, first.features | run(runtime, inputs[1:]).features)
        return self._found


def validate_on_arm64(
    cases: Sequence[Case],
    profiles: Sequence[Profile],
    weights: str = DEFAULT_WEIGHTS,
    *,
    inputs: int = 2,
    costs: Costs | None = None,
    cache_dir: Path | None = None,
    timeout: float = GUEST_TIMEOUT,
    options: Mapping[str, object] | None = None,
    progress: Progress = quiet,
    files: Mapping[Case, Artifact] = MappingProxyType({}),
) -> tuple[Result, ...]:
    """Validate every case on every profile, on the first ``inputs`` images.

    ``timeout``, in seconds, is passed to :class:`Guest`. ``options`` are the command-line options that
    :attr:`Result.again` must repeat. ``files`` are artifacts that someone else made; no cost is stored for them.

    Raises:
        UsageError, LoadError, ExportError, SetupError: something that is needed before anything can run is missing.
    """
    for profile in profiles:
        setup(profile, cache_dir, lambda stage: progress(cases[0], stage))
    models = {}
    for model in dict.fromkeys(case.model for case in cases):
        loaded = reference(model, weights)
        models[model] = replace(loaded, inputs=loaded.inputs[:inputs])
    artifacts = export_all(cases, weights, cache_dir=cache_dir, progress=progress, files=files)

    native = cache(lambda case: answers_here(artifacts[case], models[case.model]))
    results = []
    for profile in profiles:
        with _Session(profile, cache_dir, timeout) as session:
            for case in cases:
                progress(case, f"run on {profile.name}")
                cost = None if case in files else (costs or {}).get(profile.name, {}).get(str(case))
                subject = Subject(case, weights, case not in files, machine=profile, stored_cost=cost)
                named = (str(files[case].path), "--model", case.model) if case in files else (str(case),)
                again = command(
                    *("arm64", "run", *named),
                    options={
                        "--weights": weights,
                        "--profile": "" if profile is HOST else profile.name,
                        **(options or {}),
                    },
                )
                results.append(_judged(subject, artifacts[case], models[case.model], session, native, again))
                progress(case, "done")
    return tuple(results)


def _judged(
    subject: Subject,
    artifact: Artifact,
    model: Reference,
    session: _Session,
    native: Callable[[Case], Outputs | None],
    again: str,
) -> Result:
    start = perf_counter()
    try:
        result = examine(Arm64Evidence(subject, artifact, model, session.guest(), native(artifact.case)), again)
    except RunError as error:
        sha256 = model.weights.sha256
        result = Result(artifact.case, {}, sha256, again, required(subject), artifact, error=str(error))
    seconds = {"export": artifact.seconds, "run": perf_counter() - start}
    return replace(result, seconds=seconds, profile=subject.machine.name)


def answers_here(artifact: Artifact, model: Reference) -> Outputs | None:
    """Return the outputs of ``artifact`` on this machine's own CPU; None if that CPU does not support float16.

    Raises:
        RunError: the program cannot be loaded or executed.
    """
    try:
        here = IsolatedRuntime(artifact.path, artifact.case.target, "declared", interface=model.model.interface)
    except RunError:
        if recipe(artifact.case).scheme.dtype == "float16":  # XNNPACK refuses, when loading, what the CPU lacks
            return None
        raise
    with here:
        return run(here, model.inputs)


class _Session:
    """A guest that is started when first needed, and restarted after a program has crashed it."""

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._started.close()
