"""What is measured and not judged: latency, memory and the price of rounded sums, when nothing else runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.result import Result
from pe_validate.inputs.images import default_pixels, samples
from pe_validate.measure.half_sums import half_sums
from pe_validate.measure.latency import BASELINE, TIMED, measure
from pe_validate.measure.memory import peak_memory
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.models.registry import DEFAULT_WEIGHTS, load_model, load_weights
from pe_validate.models.weights import Weights
from pe_validate.targets.export import export


def with_measurements(
    results: Sequence[Result], weights: str = DEFAULT_WEIGHTS, cache_dir: Path | None = None, rounds: int = 30
) -> tuple[Result, ...]:
    """Add latency beside ONNX Runtime, and peak memory, of what this machine runs; rounded sums of what it does not.

    Raises:
        LoadError, ExportError, RunError: that stage could not do its work.
    """
    found: dict[Case, Result] = {result.case: result for result in results}
    for model in dict.fromkeys(case.model for case in found):
        loaded = load_weights(model, weights)
        tower = load_model(model, loaded)
        made = {case: r.artifact for case, r in found.items() if r.artifact and case.model == model}
        timed = {case: artifact for case, artifact in made.items() if case.target in TIMED}
        found |= _timed(found, timed, tower, loaded, cache_dir, rounds) if timed else {}
        for case, artifact in made.items():
            if case.target == "mlpackage" and case.precision != "fp32":
                found[case] = replace(found[case], half_sums=_half_sums(tower, artifact))
    return tuple(found.values())


def _timed(
    found: dict[Case, Result],
    made: dict[Case, Artifact],
    tower: VisionTower,
    weights: Weights,
    cache_dir: Path | None,
    rounds: int,
) -> dict[Case, Result]:
    baseline = Case(next(iter(made)).model, *BASELINE.split("/"))
    artifacts = made if baseline in made else made | {baseline: export(baseline, weights, cache_dir)}
    times = {row.subject: row for row in measure(tower, artifacts, rounds=rounds)}
    return {
        case: replace(
            found[case],
            latency=times[f"{case.target}/{case.precision}"],
            peak_memory=peak_memory(artifact.path, case.target),
        )
        for case, artifact in made.items()
    }


def _half_sums(tower: VisionTower, artifact: Artifact) -> dict[int, float]:
    """Of the first image that ``pe-validate run`` shows a model."""
    first = samples(default_pixels(artifact.case.config.image_size))[0]
    with torch.inference_mode():
        expected = tower(torch.from_numpy(first.image)).numpy()
    return half_sums(artifact.path, first.image, np.asarray(expected, np.float32))
