"""Add measurements (latency, peak memory, rounded sums) to results; run it when nothing else runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.result import Result
from pe_validate.measure.half_sums import half_sums
from pe_validate.measure.latency import baseline, measure, timed
from pe_validate.measure.memory import peak_memory
from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.registry import load_weights, model_named
from pe_validate.targets.export import export
from pe_validate.targets.registry import target_of

if TYPE_CHECKING:
    from torch import nn

    from pe_validate.models.weights import Weights


def with_measurements(
    results: Sequence[Result], weights: str = DEFAULT_WEIGHTS, cache_dir: Path | None = None, rounds: int = 30
) -> tuple[Result, ...]:
    """Add latency and peak memory where this machine has the runtime, and rounded sums for float16 Core ML.

    Raises:
        LoadError, ExportError, RunError: that stage could not do its work.
    """
    found: dict[Case, Result] = {result.case: result for result in results}
    for name in dict.fromkeys(case.model for case in found):
        model, loaded = model_named(name), load_weights(name, weights)
        module = model.load(loaded)
        made = {case: r.artifact for case, r in found.items() if r.artifact and case.model == name}
        own = {case: artifact for case, artifact in made.items() if timed(case)}
        found |= _timed(found, own, module, model, loaded, cache_dir, rounds) if own else {}
        for case, artifact in made.items():
            if target_of(case).rounds_sums(case.precision):
                found[case] = replace(found[case], half_sums=_half_sums(module, model, artifact))
    return tuple(found.values())


def _timed(
    found: dict[Case, Result],
    made: dict[Case, Artifact],
    module: nn.Module,
    model: Model,
    weights: Weights,
    cache_dir: Path | None,
    rounds: int,
) -> dict[Case, Result]:
    against = Case(model.name, *baseline())
    artifacts = made if against in made else made | {against: export(against, weights, cache_dir)}
    times = {row.subject: row for row in measure(module, model, artifacts, rounds=rounds)}
    return {
        case: replace(found[case], latency=times[case.kind], peak_memory=peak_memory(artifact.path, case.target))
        for case, artifact in made.items()
    }


def _half_sums(module: nn.Module, model: Model, artifact: Artifact) -> dict[int, float]:
    """Measure rounded sums on the first image of ``pe-validate run``."""
    import torch

    first = model.feed.samples()[0]
    with torch.inference_mode():
        expected = module(torch.from_numpy(first.image)).numpy()
    return half_sums(artifact.path, first.image, np.asarray(expected, np.float32))
