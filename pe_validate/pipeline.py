"""The walk: a case → its model → export → run → compare → verdicts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from time import perf_counter

from pe_validate import mil
from pe_validate.case import PRECISIONS, Case, model_config
from pe_validate.errors import PEValidateError, UsageError
from pe_validate.export.artifact import Artifact
from pe_validate.export.cache import export
from pe_validate.export.delegation import isolated_delegation
from pe_validate.export.precision import Recipe, lowered, recipe
from pe_validate.inputs.images import Sample, default_pixels, samples
from pe_validate.models.tower import VisionTower
from pe_validate.models.weights import DEFAULT_WEIGHTS, Weights, load_model, load_weights
from pe_validate.report.model import Result
from pe_validate.runtime import Outputs, run
from pe_validate.runtime.base import Reading, best_reading
from pe_validate.runtime.isolation import IsolatedRuntime
from pe_validate.runtime.run_eager import EagerRuntime
from pe_validate.tolerance import Gate
from pe_validate.verdict import Verdict, judge, judge_delegation, refuse

Progress = Callable[[Case, str], None]
"""Told of each stage that a case enters."""


def quiet(case: Case, stage: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Reference:
    """One model, loaded, and what it answers to the inputs: computed once for all of its cases."""

    weights: Weights
    tower: VisionTower
    inputs: tuple[Sample, ...]
    _lowered: dict[Recipe, Outputs] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def trained(self) -> Outputs:
        """The float32 model that a user trained."""
        return run(EagerRuntime(self.tower, self.tower.config), self.inputs)

    def lowered(self, case: Case) -> Outputs:
        """The very graph that is handed to the exporter of ``case``, before it is exported."""
        key = recipe(case)
        if key not in self._lowered:
            self._lowered[key] = run(EagerRuntime(lowered(self.tower, case), self.tower.config), self.inputs)
        return self._lowered[key]


def reference(model: str, weights: str = DEFAULT_WEIGHTS, photographs: Path | None = None) -> Reference:
    """Load a model and the inputs that it is validated on.

    Raises:
        UsageError, LoadError: see :func:`~pe_validate.models.weights.load_weights`.
    """
    loaded = load_weights(model, weights)
    tower = load_model(model, loaded)
    return Reference(loaded, tower, samples(default_pixels(tower.config.image_size, photographs)))


def validate(
    case: Case,
    weights: str = DEFAULT_WEIGHTS,
    *,
    photographs: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
) -> tuple[Artifact, tuple[Verdict, ...]]:
    """Export ``case``, run it beside the model it came from, and judge.

    Raises:
        LoadError, ExportError, RunError: that stage could not do its work.
    """
    progress(case, "load")
    model = reference(case.model, weights, photographs)
    progress(case, "export")
    artifact = export(case, model.weights, cache_dir)
    progress(case, "run")
    return artifact, examine(artifact, model)


def examine(artifact: Artifact, model: Reference) -> tuple[Verdict, ...]:
    """Every gate for an artifact of our own."""
    case = artifact.case
    against: dict[Gate, Outputs] = {"fidelity": model.lowered(case), "loss": model.trained}
    verdicts = prove(case, artifact.path, model.inputs, against)
    if artifact.delegation:
        verdicts += (judge_delegation(case, artifact.delegation),)
    return verdicts


def check(
    path: Path, case: Case, model: Reference, *, output: str | None = None, progress: Progress = quiet
) -> tuple[Verdict, ...]:
    """Judge a file that someone else made and that claims to be ``case``; ``output`` picks one of several.

    Its graph is not known, so identity takes the place of fidelity: its mathematics against the model.

    Raises:
        RunError: the file cannot be read or executed.
    """
    progress(case, "run")
    verdicts = prove(case, path, model.inputs, {"identity": model.trained, "loss": model.trained}, output)
    if case.target == "pte":
        verdicts += (judge_delegation(case, isolated_delegation(path)),)
    return verdicts


def claimed(path: Path, model: str, precision: str | None = None) -> Case:
    """The case that a file claims to be, by its suffix; an ``.mlpackage`` itself says in what it computes.

    Raises:
        UsageError: there is no such file, model, target or precision.
        RunError: the package cannot be read.
    """
    target = path.suffix.removeprefix(".")
    if target not in PRECISIONS:
        raise UsageError(f"'{path}' is none of {', '.join(f'.{name}' for name in PRECISIONS)}.")
    if precision not in (None, *PRECISIONS[target]):
        raise UsageError(f"'{target}' is validated in {', '.join(PRECISIONS[target])}, not in '{precision}'.")
    if not path.exists():
        raise UsageError(f"There is nothing at '{path}'.")
    name = model_config(model).name
    if precision is None and target == "mlpackage":
        precision = "fp16" if mil.load(path).uses_half_precision else "fp32"
    return Case(name, target, precision or PRECISIONS[target][0])


def prove(
    case: Case,
    path: Path,
    inputs: tuple[Sample, ...],
    against: dict[Gate, Outputs],
    output: str | None = None,
) -> tuple[Verdict, ...]:
    """Run the file on every input, in the reading that each gate calls for, and hold it to the references."""
    verdicts: dict[Gate, Verdict] = {}
    for reading in sorted({reading_for(case, gate) for gate in against}):
        gates = [gate for gate in against if reading_for(case, gate) == reading]
        with IsolatedRuntime(path, case.target, reading, output) as runtime:
            wanted = runtime.image_spec()
            if not wanted.accepts(inputs[0].image.shape):
                reason = f"it takes {wanted}, the model an image of {list(inputs[0].image.shape)}"
                verdicts |= {gate: refuse(case, gate, runtime.producer, reason) for gate in gates}
                continue
            outputs = run(runtime, inputs)
        verdicts |= {gate: judge(case, gate, against[gate], outputs) for gate in gates}
    return tuple(verdicts[gate] for gate in against)


def reading_for(case: Case, gate: Gate) -> Reading:
    """How the artifact is executed for one gate.

    Only an fp16 Core ML package computes differently from how its graph reads: there, every gate but loss
    asks about the graph.
    """
    graph_alone = gate != "loss" and (case.target, case.precision) == ("mlpackage", "fp16")
    return "exact" if graph_alone else best_reading()


def validate_all(
    cases: Sequence[Case],
    weights: str = DEFAULT_WEIGHTS,
    *,
    photographs: Path | None = None,
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
            models[case.model] = reference(case.model, weights, photographs)
    results: list[Result] = []
    for name, model in models.items():
        journeys = [Journey(case, model, progress, photographs) for case in cases if case.model == name]
        pool = ThreadPoolExecutor(jobs)
        try:
            exports = [pool.submit(journey.export, cache_dir) for journey in journeys]
            wait(exports)
            results += [journey.finish(made) for journey, made in zip(journeys, exports, strict=True)]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C nothing queued is begun
    return tuple(results)


class Journey:
    """One case on its way through :func:`validate_all`, its stages timed and its first error kept."""

    def __init__(self, case: Case, model: Reference, progress: Progress, photographs: Path | None) -> None:
        self._case, self._model, self._progress = case, model, progress
        self._again = ["pe-validate", "run", str(case), "--weights", model.weights.spec]
        self._again += ["--images", str(photographs)] if photographs else []
        self._seconds: dict[str, float] = {}

    def export(self, cache_dir: Path | None) -> Artifact:
        """The first stage, in a thread of its own."""
        with self._stage("export"):
            return export(self._case, self._model.weights, cache_dir)

    def finish(self, exported: Future[Artifact]) -> Result:
        """Wait for the export, then run and judge."""
        artifact: Artifact | None = None
        verdicts: tuple[Verdict, ...] = ()
        failure = None
        try:
            artifact = exported.result()
            with self._stage("run"):
                verdicts = examine(artifact, self._model)
        except PEValidateError as error:
            failure = str(error)
        self._progress(self._case, "done")
        again = shlex.join(self._again)
        return Result(self._case, self._seconds, self._model.weights.sha256, again, artifact, verdicts, failure)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self._progress(self._case, name)
        start = perf_counter()
        yield
        self._seconds[name] = perf_counter() - start
