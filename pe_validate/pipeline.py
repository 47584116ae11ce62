"""The walk: a case → its model → export → run → compare → verdicts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from pe_validate.accuracy import Accuracy, held_out, top1
from pe_validate.case import CORE_ML, PRECISIONS, Case, model_config
from pe_validate.errors import PEValidateError, UsageError
from pe_validate.export.artifact import Artifact, Delegation
from pe_validate.export.cache import export
from pe_validate.export.delegation import isolated_delegation
from pe_validate.export.embedded import BACKEND
from pe_validate.export.precision import Recipe, calibration_images, lowered, recipe
from pe_validate.inputs.images import Sample, crops, default_pixels, samples
from pe_validate.mil.inspection import inspect
from pe_validate.models.tower import VisionTower
from pe_validate.models.weights import DEFAULT_WEIGHTS, TRAINED, Weights, load_model, load_weights
from pe_validate.report.model import Result
from pe_validate.retrieval import agreement
from pe_validate.runtime import Outputs, Runtime, run
from pe_validate.runtime.base import Reading, best_reading
from pe_validate.runtime.isolation import IsolatedRuntime
from pe_validate.runtime.run_eager import EagerRuntime
from pe_validate.tolerance import Gate, rows
from pe_validate.verdict import (
    Verdict,
    judge,
    judge_accuracy,
    judge_arithmetic,
    judge_compression,
    judge_delegation,
    judge_retrieval,
    precision_of,
    refuse,
    stored_precision,
)

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
    photographs: Path | None = None
    calibration: Path | None = None
    _graphs: dict[Recipe, EagerRuntime] = field(default_factory=dict, init=False, repr=False)
    _lowered: dict[Recipe, Outputs] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def trained(self) -> Outputs:
        """The float32 model that a user trained."""
        return self._answer(self.inputs)

    @cached_property
    def search(self) -> Search:
        """Photograph crops to be looked up, and a bank of others to find them in, as the float32 model sees both."""
        pooled = self.tower.config.pool_heads is not None
        size = self.tower.config.image_size
        queries, bank = (
            samples(crops(size, count if pooled else 2, seed, self.photographs))
            for count, seed in ((QUERIES, QUERY_SEED), (BANK, BANK_SEED))
        )
        return Search(queries, self._answer(queries), self._answer(bank))

    @cached_property
    def recognised(self) -> float:
        """Top-1 accuracy of the float32 model on the held-out images of the trained fixture."""
        return top1(self._answer(held_out().inputs), held_out())

    def _answer(self, inputs: tuple[Sample, ...]) -> Outputs:
        return run(EagerRuntime(self.tower, self.tower.config), inputs)

    def graph(self, case: Case) -> EagerRuntime:
        """The very graph that is handed to the exporter of ``case``, before it is exported."""
        key = recipe(case)
        if key not in self._graphs:
            module = lowered(self.tower, case, calibration_images(case, self.calibration))
            self._graphs[key] = EagerRuntime(module, self.tower.config, key.dtype)
        return self._graphs[key]

    def lowered(self, case: Case) -> Outputs:
        """What :meth:`graph` answers to the inputs."""
        key = recipe(case)
        if key not in self._lowered:
            self._lowered[key] = run(self.graph(case), self.inputs)
        return self._lowered[key]


QUERIES, QUERY_SEED = 16, 3
BANK, BANK_SEED = 32, 2
"""Photograph crops of the retrieval gate; a Spatial model has hundreds of patches to look up in each of two."""


@dataclass(frozen=True)
class Search:
    """Queries, what the float32 model answers to them, and its answers to the images of the bank."""

    queries: tuple[Sample, ...]
    trained: Outputs
    bank: Outputs


def reference(
    model: str, weights: str = DEFAULT_WEIGHTS, photographs: Path | None = None, calibration: Path | None = None
) -> Reference:
    """Load a model and the inputs that it is validated on.

    Raises:
        UsageError, LoadError: see :func:`~pe_validate.models.weights.load_weights`.
    """
    loaded = load_weights(model, weights)
    tower = load_model(model, loaded)
    inputs = samples(default_pixels(tower.config.image_size, photographs))
    return Reference(loaded, tower, inputs, photographs, calibration)


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
    verdicts = prove(case, artifact.path, model.inputs, against, felt=partial(as_felt, case, model))
    if case.target == "mlpackage":
        return (*verdicts, judge_compression(case, inspect(artifact.path).weights))
    return verdicts + (structure(case, artifact.delegation) if artifact.delegation else ())


def structure(case: Case, delegation: Delegation) -> tuple[Verdict, ...]:
    """The gates that read an ExecuTorch program instead of running it."""
    return judge_delegation(case, delegation), judge_arithmetic(case, delegation)


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
    verdicts = prove(case, path, model.inputs, against, output, felt=partial(as_felt, case, model))
    return verdicts + (structure(case, isolated_delegation(path)) if path.suffix == ".pte" else ())


def claimed(path: Path, model: str, precision: str | None = None) -> Case:
    """The case that a file claims to be, by its suffix; the file itself says in what it computes.

    Raises:
        UsageError: there is no such file, model, target or precision.
        RunError: the package cannot be read.
    """
    target = path.suffix.removeprefix(".")
    found = isolated_delegation(path) if target == "pte" and path.exists() else None
    if found and found.backend == BACKEND:
        target = "pte-coreml"
    if target not in PRECISIONS:
        raise UsageError(f"'{path}' is none of {', '.join(f'.{name}' for name in PRECISIONS)}.")
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


def prove(
    case: Case,
    path: Path,
    inputs: tuple[Sample, ...],
    against: dict[Gate, Outputs],
    output: str | None = None,
    *,
    felt: Callable[[Runtime], tuple[Verdict, ...]] = lambda runtime: (),
) -> tuple[Verdict, ...]:
    """Run the file on every input, in the reading that each gate calls for, and hold it to the references.

    ``felt`` judges the runtime that loss is judged in, if its answers had the right shape.
    """
    verdicts: dict[Gate, Verdict] = {}
    more: tuple[Verdict, ...] = ()
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
            if "loss" in gates and verdicts["loss"].comparisons:
                more = felt(runtime)
    return tuple(verdicts[gate] for gate in against) + more


def as_felt(case: Case, model: Reference, runtime: Runtime) -> tuple[Verdict, ...]:
    """Loss in the words of who uses the embedding: neighbours that change, images that are not recognised."""
    verdicts: tuple[Verdict, ...] = ()
    row = rows(case)
    if row.retrieval:
        search = model.search
        answers = run(runtime, search.queries)
        found = agreement(*(embeddings(case, each) for each in (search.bank, search.trained, answers)))
        verdicts += (judge_retrieval(case, runtime.producer, found, row.retrieval),)
    if row.accuracy and model.weights.spec == TRAINED:
        images = held_out()
        seen = Accuracy(top1(run(runtime, images.inputs), images), model.recognised, len(images.inputs))
        verdicts += (judge_accuracy(case, runtime.producer, seen, row.accuracy),)
    return verdicts


def embeddings(case: Case, outputs: Outputs) -> NDArray[np.float32]:
    """What is looked up: ``[images, dim]`` when pooled, every patch of every image ``[patches, dim]`` when not."""
    first = 0 if case.config.pool_heads else int(case.config.class_token)
    return np.concatenate([answer.reshape(-1, answer.shape[-1])[first:] for answer in outputs.features.values()])


def reading_for(case: Case, gate: Gate) -> Reading:
    """How the artifact is executed for one gate.

    Only Core ML in float16 computes differently from how its graph reads: there, every gate but loss asks about the
    graph.
    """
    graph_alone = gate != "loss" and case.target in CORE_ML and case.precision != "fp32"
    return "exact" if graph_alone else best_reading()


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
