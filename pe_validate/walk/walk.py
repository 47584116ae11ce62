"""The walk: case → model → export → run → judge → result.

Everything that validates uses it: :func:`validate`, ``pe-validate run``, ``pe-validate check``, programs on arm64
cores, and the pytest fixtures. Each walk ends in a :class:`~pe_validate.data.result.Result`, which knows which gates
were required.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import MappingProxyType
from typing import TYPE_CHECKING, overload

from pe_validate.case import select
from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.progress import Counted, Note, Progress, counting, quiet, uncounted
from pe_validate.data.result import Result
from pe_validate.explain.diagnose import diagnosis_of
from pe_validate.explain.locate import explain
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.registry import judge, required
from pe_validate.inputs.cache import default_cache_dir
from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.registry import load_weights
from pe_validate.reference.reference import Reference, reference
from pe_validate.reference.store import AnswerStore
from pe_validate.system.errors import ExplainError, PEValidateError
from pe_validate.system.nursery import prepare
from pe_validate.system.threads import in_turns, side_by_side
from pe_validate.targets.export import export
from pe_validate.targets.registry import target_of
from pe_validate.walk.again import command

if TYPE_CHECKING:
    from pe_validate.models.weights import Weights


def examine(evidence: Evidence, again: str = "") -> Result:
    """Run every gate on one artifact; ``again`` is the command that does the same again.

    Raises:
        RunError: the artifact cannot be loaded or executed.
    """
    case, reference = evidence.case, evidence.reference
    with evidence:
        needed, verdicts = judge(evidence)
        notes = evidence.target.notes(evidence.path) if evidence.subject.here else ()
    result = Result(
        case,
        {},
        reference.weights.sha256,
        again,
        needed,
        evidence.artifact,
        verdicts,
        execution=evidence.execution,
        notes=notes,
        weights_notes=reference.weights.notes,
    )
    if not evidence.subject.here:  # places can only be followed on this machine
        return result
    if evidence.contract.words:
        return replace(result, unexplained="Places are followed in files that have the model's own interface.")
    try:
        result = replace(result, explanation=explain(case, evidence.path, reference, verdicts))
    except ExplainError as error:
        result = replace(result, unexplained=str(error))
    place = result.explanation.place if result.explanation else None
    return replace(result, diagnosis=diagnosis_of(evidence, verdicts, place))


def evidence_of(
    artifact: Artifact,
    reference: Reference,
    partners: tuple[Outputs, ...] = (),
    threads: int | None = None,
    counted: Counted = uncounted,
) -> Evidence:
    """Return the evidence of an artifact that was exported here and runs on this machine."""
    subject = Subject(artifact.case, reference.weights.spec, made_here=artifact.made_here)
    return Evidence(
        subject, artifact.path, reference, artifact=artifact, partners=partners, threads=threads, counted=counted
    )


@overload
def validate(
    case: Case,
    weights: str = DEFAULT_WEIGHTS,
    *,
    photographs: Path | None = None,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
) -> Result: ...


@overload
def validate(
    case: Model,
    kind: str,
    /,
    *,
    photographs: Path | None = None,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
) -> Result: ...


def validate(
    case: Case | Model,
    weights: str = DEFAULT_WEIGHTS,
    *,
    photographs: Path | None = None,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
) -> Result:
    """Export ``case``, run it beside the model it came from, and judge it.

    ``validate(model, "pte/int8")`` does so for a model of :meth:`pe_validate.models.base.Model.from_module`, which has
    its weights in it: the second argument is target and precision.

    ``photographs`` is the folder of images that it runs on, ``calibration`` the folder of images on which
    `int8-static` is calibrated; the project's own by default.

    Raises:
        UsageError, LoadError: the weights or photographs cannot be loaded.
        ExportError, RunError: that stage could not do its work.
    """
    if isinstance(case, Model):
        (case,), weights = select([f"{case.name}/{weights}"]), DEFAULT_WEIGHTS
    walker = Walker(weights, photographs, calibration, cache_dir, progress)
    return walker.judged(case, walker.exported(case))


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
    """Validate many cases, model by model; the error of a stage is kept in the case's result.

    Up to ``jobs`` exports run in parallel, then as many artifacts, which share the cores: two runtimes with a thread
    each take less time than one after the other with two.

    Raises:
        UsageError, LoadError: the weights or photographs cannot be loaded.
    """
    threads = max(1, (os.cpu_count() or 1) // min(jobs, max(1, len(cases))))
    walker = Walker(weights, photographs, calibration, cache_dir, progress, threads)
    for case in cases:  # load all models first, so that a load error appears before the long work
        walker.reference(case)
    results: dict[Case, Result] = {}
    for model in dict.fromkeys(case.model for case in cases):
        chosen = [case for case in cases if case.model == model]
        with side_by_side(jobs) as workers:
            exports = {case: workers.submit(walker.exported, case) for case in chosen}  # all before the first run
            results |= _finish(walker, exports, workers)
    return tuple(results[case] for case in cases)


def export_all(
    cases: Sequence[Case],
    weights: str = DEFAULT_WEIGHTS,
    *,
    calibration: Path | None = None,
    cache_dir: Path | None = None,
    progress: Progress = quiet,
    jobs: int = 2,
    files: Mapping[Case, Artifact] = MappingProxyType({}),
) -> dict[Case, Artifact]:
    """Return the artifacts of ``cases``: those of ``files``, and the others exported, up to ``jobs`` in parallel.

    Raises:
        UsageError, LoadError, ExportError: the first error that occurred.
    """
    exported = [case for case in cases if case not in files]
    loaded: dict[str, Weights] = {}
    for case in exported:
        if case.model not in loaded:
            loaded[case.model] = load_weights(case.model, weights)
            for note in loaded[case.model].notes:
                progress(case, Note(note))

    def one(case: Case) -> Artifact:
        if case in files:
            return files[case]
        progress(case, "export")
        artifact = export(case, loaded[case.model], cache_dir, calibration)
        progress(case, "done")
        return artifact

    with side_by_side(jobs) as workers:
        return dict(zip(cases, workers.map(one, cases), strict=True))


def _finish(walker: Walker, exports: Mapping[Case, Future[Artifact]], workers: Executor) -> dict[Case, Result]:
    """Run and judge: partners first, then what is compared with them, then what waits for nobody."""
    held = {case: [other for other in exports if other.target in target_of(case).partners] for case in exports}
    partners = {other for found in held.values() for other in found}
    order = sorted(exports, key=lambda case: (case not in partners, not held[case]))
    return in_turns(workers, order, held, lambda case: walker.finished(case, exports[case]))


@dataclass
class Walker:
    """Takes cases through the stages; loads each model once, and keeps outputs that other cases are compared with."""

    weights: str
    photographs: Path | None
    calibration: Path | None
    cache_dir: Path | None
    progress: Progress
    threads: int | None = None
    _references: dict[str, Reference] = field(default_factory=dict)
    _answers: dict[Case, Outputs] = field(default_factory=dict)
    _seconds: dict[Case, dict[str, float]] = field(default_factory=dict)

    def reference(self, case: Case) -> Reference:
        """Return the case's reference, loaded when first needed, while its cases' libraries are loaded too."""
        prepare(target_of(case).preload)
        if case.model not in self._references:
            self.progress(case, "load")
            store = AnswerStore((self.cache_dir or default_cache_dir()) / "answers")
            counted = counting(self.progress, case, "run the model itself")
            loaded = reference(case.model, self.weights, self.photographs, self.calibration, store, counted)
            self._references[case.model] = loaded
        return self._references[case.model]

    def exported(self, case: Case) -> Artifact:
        """Return the case's artifact."""
        weights = self.reference(case).weights
        with self._stage(case, "export"):
            return export(case, weights, self.cache_dir, self.calibration)

    def judged(self, case: Case, artifact: Artifact) -> Result:
        """Run an artifact, judge it, and return the result.

        Raises:
            RunError: it cannot be loaded or executed.
        """
        counted = counting(self.progress, case, "run")
        evidence = evidence_of(artifact, self.reference(case), self._partners(case), self.threads, counted)
        with self._stage(case, "run"):
            result = examine(evidence, self.again(case))
            if evidence.comparable:
                self._answers[case] = evidence.answers("model")
        return replace(result, seconds=self._seconds[case])

    def finished(self, case: Case, exported: Future[Artifact]) -> Result:
        """Wait for the export, then run and judge it; keep the error of a stage in the result."""
        artifact = None
        try:
            artifact = exported.result()
            return self.judged(case, artifact)
        except PEValidateError as error:
            loaded, needed = self.reference(case).weights, required(Subject(case, self.weights))
            seconds = self._seconds.get(case, {})
            return Result(case, seconds, loaded.sha256, self.again(case), needed, artifact, error=str(error))
        finally:
            self.progress(case, "done")

    def again(self, case: Case) -> str:
        """Return the command that validates ``case`` again."""
        options: dict[str, object] = {
            "--weights": self.weights,
            "--images": self.photographs,
            "--calibration": self.calibration,
        }
        return command("run", str(case), options=options)

    def _partners(self, case: Case) -> tuple[Outputs, ...]:
        """Return the outputs of the partner targets that ran: in the same precision, else in float32."""
        found = []
        for name in target_of(case).partners:
            precisions = target_of(replace(case, target=name)).precisions
            plain = (precision for precision, recipe in precisions.items() if not recipe.scheme.rounds)
            known = (self._answers.get(Case(case.model, name, precision)) for precision in (case.precision, *plain))
            found += [next(filter(None, known), None)]
        return tuple(filter(None, found))

    @contextmanager
    def _stage(self, case: Case, name: str) -> Iterator[None]:
        self.progress(case, name)
        start = perf_counter()
        yield
        self._seconds.setdefault(case, {})[name] = perf_counter() - start
