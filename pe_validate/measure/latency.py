"""Paired timing: several runtimes take turns in one process; the results are ratios with confidence intervals.

Absolute milliseconds are for phones. On a shared machine only the ratio of two programs that were timed in the same run
is meaningful, and only with its interval.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.latency import Latency, Ratio
from pe_validate.measure.budget import budgets
from pe_validate.measure.others import OthersClock
from pe_validate.models.base import Model
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import load
from pe_validate.targets.registry import target_of, targets
from pe_validate.targets.runtime import Runtime

WARM_UP: Final = 2
PAUSE: Final = 0.02
"""Seconds between two timings, during which idle threads of the last runtime stop spinning."""

RESAMPLES: Final = 2000
PRODUCT: Final = 2048
"""Side of the square matrices whose product measures the machine's throughput."""

PLACES: Final = 5
"""Decimal places of the ratios of single rounds, which are for plots."""

EAGER: Final = "eager/fp32"
"""The name of PyTorch itself among the runtimes that are timed."""


def baseline() -> tuple[str, str]:
    """Return the target and the precision of the baseline, whose time is the denominator of ratios."""
    return next((target.name, target.baseline) for target in targets().values() if target.baseline)


def timed(case: Case) -> bool:
    """Return whether the runtime of a case exists on this machine, so that it can be timed."""
    return target_of(case).timed


def measure(
    module: nn.Module,
    model: Model,
    artifacts: Mapping[Case, Artifact],
    *,
    rounds: int = 30,
    threads: int | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> list[Latency]:
    """Time eager PyTorch and every artifact of one model in turns; the baseline must be among them.

    ONNX Runtime's own dynamic int8 quantisation of the baseline is timed too.

    Raises:
        RunError: an artifact cannot be loaded or executed.
    """
    threads = threads or os.cpu_count() or 1
    subjects: dict[str, Runtime] = {EAGER: EagerRuntime(module, model)}
    rivals: list[str] = []
    torch.set_num_threads(threads)
    for case, artifact in artifacts.items():
        subjects[case.kind] = load(artifact.path, case.target, threads=threads)
        subjects[case.kind].interface = model.interface
        if (case.target, case.precision) == baseline():
            others = target_of(case).rivals(artifact.path, threads)
            subjects |= others
            rivals = [case.kind, *others, EAGER]
    rng = np.random.default_rng(0)
    (sample,) = model.feed.crops(1, 0)
    square = torch.from_numpy(rng.standard_normal((PRODUCT, PRODUCT)).astype(np.float32))
    calls: dict[str, Callable[[], object]] = {
        name: partial(each.answer, sample.values) for name, each in subjects.items()
    }
    clock = OthersClock()
    times = _take_turns(calls | {"product": partial(torch.mm, square, square)}, rounds, tick)
    best = PRODUCT**3 / times.pop("product").min()
    against = {name: times[name] for name in rivals}
    found = [_summary(model, name, threads, taken, against, best) for name, taken in times.items()]
    share = clock.share()
    return [replace(row, others=share) for row in found]


def _take_turns(
    subjects: Mapping[str, Callable[[], object]], rounds: int, tick: Callable[[int], None]
) -> dict[str, NDArray[np.float64]]:
    """Return the seconds of each call, ``[rounds]`` per subject; each round calls all of them in a new order."""
    shuffled = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in subjects}
    for turn in range(-WARM_UP, rounds):
        for name in shuffled.sample(list(subjects), len(subjects)):
            time.sleep(PAUSE)
            start = time.perf_counter()
            subjects[name]()
            if turn >= 0:
                times[name].append(time.perf_counter() - start)
        tick(turn + 1)
    return {name: np.array(taken) for name, taken in times.items()}


def _summary(
    model: Model,
    subject: str,
    threads: int,
    taken: NDArray[np.float64],
    rivals: Mapping[str, NDArray[np.float64]],
    best: float,
) -> Latency:
    """Summarise the times of one subject; ``best`` is the run's best throughput, in multiply-accumulates per second."""
    paired = {name: taken / theirs for name, theirs in rivals.items()}
    return Latency(
        model.name,
        subject,
        threads,
        len(taken),
        median_ms=float(np.median(taken) * 1e3),
        ratios={name: _ratio(each) for name, each in paired.items()},
        utilisation=float((model.macs or 0) / np.median(taken) / best),
        budget=budgets().get(subject),
        paired={name: tuple(each.round(PLACES).tolist()) for name, each in paired.items()},
    )


def _ratio(ratios: NDArray[np.float64]) -> Ratio:
    return Ratio(float(np.median(ratios)), *bootstrap(ratios))


def bootstrap(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the median (Efron 1979), with a fixed seed."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (RESAMPLES, len(values))), axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return float(low), float(high)
