"""The walk: a case → its model → export → run → compare → verdicts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Final

from pe_validate.case import PRECISIONS, SUFFIXES, Case, model_config
from pe_validate.data.artifact import Artifact
from pe_validate.data.explanation import Explanation
from pe_validate.data.outputs import Outputs
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.explain.locate import explain
from pe_validate.gates.evidence import answers_further, judge_rewrite, prove, reading_for, required, structure
from pe_validate.gates.identity import judge_identity
from pe_validate.gates.limits import Gate
from pe_validate.gates.verdicts import judge, judge_compression, precision_of, stored_precision
from pe_validate.inputs.images import Sample
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.mil.inspection import inspect
from pe_validate.models.registry import DEFAULT_WEIGHTS, load_weights
from pe_validate.reference.reference import Reference, reference
from pe_validate.system.errors import ExplainError, PEValidateError, UsageError
from pe_validate.targets.export import export
from pe_validate.targets.open import run
from pe_validate.targets.pte_coreml.embedded import BACKEND
from pe_validate.targets.xnnpack.delegation import isolated_delegation

Progress = Callable[[Case, str], None]
"""Told of each stage that a case enters."""


def quiet(case: Case, stage: str) -> None:
    """Progress that nobody watches."""


def validate(
    case: Case,
    weights: str = DEFAULT_WEIGHTS,
    *,
    photographs: Path | None = None,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
) -> tuple[Artifact, tuple[Verdict, ...]]:
    """Export ``case``, run it beside the model it came from, and judge.

    ``photographs`` are what it is shown, ``calibration`` those on which a statically quantised one is scaled.

    Raises:
        LoadError, ExportError, RunError: that stage could not do its work.
    """
    progress(case, "load")
    model = reference(case.model, weights, photographs, calibration)
    progress(case, "export")
    artifact = export(case, model.weights, cache_dir, calibration)
    progress(case, "run")
    return artifact, examine(artifact, model)


def examine(artifact: Artifact, model: Reference) -> tuple[Verdict, ...]:
    """Every gate for an artifact of our own."""
    case = artifact.case
    against: dict[Gate, Outputs] = {"fidelity": model.lowered(case), "loss": model.trained}
    verdicts = (
        *judge_rewrite(case, model),
        *prove(case, artifact.path, model.inputs, against, answered=partial(answers_further, case, model, True)),
    )
    if case.target == "mlpackage":
        return (*verdicts, judge_compression(case, inspect(artifact.path).weights))
    return verdicts + (structure(case, artifact.delegation, model.constants(case)) if artifact.delegation else ())


def check(
    path: Path, case: Case, model: Reference, *, output: str | None = None, progress: Progress = quiet
) -> tuple[Verdict, ...]:
    """Judge a file that someone else made and that claims to be ``case``; ``output`` picks one of several.

    Its graph is not known, so identity takes the place of fidelity: its mathematics against the model.

    Raises:
        RunError: the file cannot be read or executed.
    """
    progress(case, "run")
    against: dict[Gate, Outputs] = {"identity": model.trained, "loss": model.trained}
    further = partial(answers_further, case, model, False)

    def judging(case: Case, gate: Gate, reference: Outputs, actual: Outputs) -> Verdict:
        known = gate == "identity"
        return judge_identity(case, path, model, actual) if known else judge(case, gate, reference, actual)

    verdicts = prove(case, path, model.inputs, against, output, answered=further, judging=judging)
    return verdicts + (structure(case, isolated_delegation(path)) if path.suffix == ".pte" else ())


def why(
    case: Case, path: Path, model: Reference, verdicts: tuple[Verdict, ...]
) -> tuple[Explanation | None, str | None]:
    """Where a failure begins, or why that is not known; neither for what passed, or failed without numbers."""
    try:
        return explain(case, path, model, verdicts), None
    except ExplainError as error:
        return None, str(error)


_TOLD_BY_SUFFIX: Final = tuple(target for target, suffix in SUFFIXES.items() if suffix == f".{target}")
"""Targets of which a file's last suffix is enough; a program for Core ML is told by what is in it."""


def claimed(path: Path, model: str, precision: str | None = None) -> Case:
    """The case that a file claims to be, by its suffix; the file itself says in what it computes.

    Raises:
        UsageError: there is no such file, model, target or precision.
        RunError: the package cannot be read.
    """
    target = path.suffix.removeprefix(".")
    if target not in _TOLD_BY_SUFFIX:
        raise UsageError(f"'{path}' is none of {', '.join(f'.{name}' for name in _TOLD_BY_SUFFIX)}.")
    found = isolated_delegation(path) if target == "pte" and path.exists() else None
    if found and found.backend == BACKEND:
        target = "pte-coreml"
    if precision not in (None, *PRECISIONS[target]):
        raise UsageError(f"'{target}' is validated in {', '.join(PRECISIONS[target])}, not in '{precision}'.")
    if not path.exists():
        raise UsageError(f"There is nothing at '{path}'.")
    name = model_config(model).name
    if precision is None and target == "mlpackage":
        precision = stored_precision(inspect(path))
    if precision is None and found:
        precision = precision_of(found)
    return Case(name, target, precision or PRECISIONS[target][0])


def validate_all(
    cases: Sequence[Case],
    weights: str = DEFAULT_WEIGHTS,
    *,
    photographs: Path | None = None,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
    jobs: int = 2,
) -> tuple[Result, ...]:
    """Validate many cases, model by model; a stage's error stays in its result.

    Up to ``jobs`` exports work side by side, then the runs take turns: each of them uses every core.

    Raises:
        UsageError, LoadError: the weights or photographs cannot be loaded.
    """
    models = {}
    for case in cases:
        if case.model not in models:  # all of them first: what cannot be loaded is known before the long work
            progress(case, "load")
            models[case.model] = reference(case.model, weights, photographs, calibration)
    results: list[Result] = []
    for name, model in models.items():
        journeys = [Journey(case, model, progress) for case in cases if case.model == name]
        pool = ThreadPoolExecutor(jobs)
        try:
            exports = [pool.submit(journey.export, cache_dir) for journey in journeys]
            wait(exports)
            finished = [journey.finish(made) for journey, made in zip(journeys, exports, strict=True)]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing queued is begun
        results += with_both_backends(finished, model.inputs)
    return tuple(results)


def with_both_backends(results: Sequence[Result], inputs: tuple[Sample, ...]) -> list[Result]:
    """Hold ExecuTorch with Core ML to ExecuTorch with XNNPACK, where both have run: a hybrid app may use either.

    Of several XNNPACK programs it is that of the same precision, else the float32 one.
    """
    made = {result.case: result.artifact for result in results if result.verdicts and result.artifact}
    judged: list[Result] = []
    for result in results:
        partners = [replace(result.case, target="pte", precision=p) for p in (result.case.precision, "fp32")]
        partner = next((case for case in partners if case in made), None)
        if result.case.target == "pte-coreml" and result.case in made and partner:
            answers = [_answers(made[case], inputs) for case in (partner, result.case)]
            result = replace(result, verdicts=(*result.verdicts, judge(result.case, "backends", *answers)))
        judged.append(result)
    return judged


def _answers(artifact: Artifact, inputs: tuple[Sample, ...]) -> Outputs:
    case = artifact.case
    with IsolatedRuntime(artifact.path, case.target, reading_for(case, "loss")) as runtime:
        return run(runtime, inputs)


def export_all(
    cases: Sequence[Case],
    weights: str = DEFAULT_WEIGHTS,
    *,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
    jobs: int = 2,
) -> dict[Case, Artifact]:
    """The artifacts of ``cases``, up to ``jobs`` of them made side by side.

    Raises:
        UsageError, LoadError, ExportError: the first of those that were met.
    """
    loaded = {model: load_weights(model, weights) for model in dict.fromkeys(case.model for case in cases)}

    def one(case: Case) -> Artifact:
        progress(case, "export")
        artifact = export(case, loaded[case.model], cache_dir, calibration)
        progress(case, "done")
        return artifact

    pool = ThreadPoolExecutor(jobs)
    try:
        return dict(zip(cases, pool.map(one, cases), strict=True))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Journey:
    """One case on its way through :func:`validate_all`, its stages timed and its first error kept."""

    def __init__(self, case: Case, model: Reference, progress: Progress) -> None:
        self._case, self._model, self._progress = case, model, progress
        self._again = ["pe-validate", "run", str(case), "--weights", model.weights.spec]
        self._again += ["--images", str(model.photographs)] if model.photographs else []
        self._again += ["--calibration", str(model.calibration)] if model.calibration else []
        self._seconds: dict[str, float] = {}

    def export(self, cache_dir: Path | None) -> Artifact:
        """The first stage, in a thread of its own."""
        with self._stage("export"):
            return export(self._case, self._model.weights, cache_dir, self._model.calibration)

    def finish(self, exported: Future[Artifact]) -> Result:
        """Wait for the export, then run and judge."""
        artifact: Artifact | None = None
        verdicts: tuple[Verdict, ...] = ()
        failure = None
        explanation, unexplained = None, None
        try:
            artifact = exported.result()
            with self._stage("run"):
                verdicts = examine(artifact, self._model)
                explanation, unexplained = why(self._case, artifact.path, self._model, verdicts)
        except PEValidateError as error:
            failure = str(error)
        self._progress(self._case, "done")
        again = shlex.join(self._again)
        weights = self._model.weights
        wanted = required(self._case, weights.spec, made_here=True)
        return Result(
            self._case,
            self._seconds,
            weights.sha256,
            again,
            wanted,
            artifact,
            verdicts,
            failure,
            explanation=explanation,
            unexplained=unexplained,
        )

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._progress(self._case, name)
        start = perf_counter()
        yield
        self._seconds[name] = perf_counter() - start
