"""Paired timing: several runtimes, one process, taking turns; ratios with confidence intervals.

Absolute milliseconds belong to phones. On a shared machine only the ratio of two programs timed in the same
run means something, and only with its interval.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.table import Table

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.latency import Budget
from pe_validate.measure.budget import budgets
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import load
from pe_validate.targets.runtime import Runtime

BASELINE: Final = "onnx/fp32"
"""What ratios are against: ONNX Runtime on the same model, float32, same number of threads."""

RIVALS: Final = (BASELINE, "onnx/int8", "eager/fp32")
"""What every runtime is compared with: ONNX Runtime in float32 and in its own dynamic int8, and PyTorch."""

TIMED: Final = ("onnx", "pte")
"""Targets whose own runtime exists on the machine where they were exported."""

WARM_UP: Final = 2
PAUSE: Final = 0.02
"""Seconds between two timings, in which the idle threads of the last runtime stop spinning."""

RESAMPLES: Final = 2000
PRODUCT: Final = 2048
"""Side of the square matrices whose product shows what this machine can do."""

Outcome = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, slots=True)
class Ratio:
    """Median of paired ratios, and its 95 % bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} – {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Latency:
    """One runtime beside the others: milliseconds of a median inference, and ratios to each of :data:`RIVALS`."""

    model: str
    subject: str
    threads: int
    rounds: int
    median_ms: float
    ratios: dict[str, Ratio] = field(hash=False)
    utilisation: float
    """Useful operations per second, as a fraction of those of a large float32 matrix product in the same run."""
    budget: Budget | None = None

    @property
    def outcome(self) -> Outcome | None:
        """Whether the budget is kept; inconclusive while the interval holds the limit. None without one."""
        if self.budget is None:
            return None
        found = self.ratios[BASELINE]
        if found.high <= self.budget.ratio:
            return "pass"
        return "fail" if found.low > self.budget.ratio else "inconclusive"


def measure(
    tower: VisionTower,
    artifacts: Mapping[Case, Artifact],
    *,
    rounds: int = 30,
    threads: int | None = None,
    tick: Callable[[int], None] = lambda done: None,
) -> list[Latency]:
    """Time eager PyTorch and every artifact of one model side by side; the baseline must be among them.

    ONNX Runtime's own dynamic int8 form of the baseline is timed too.

    Raises:
        RunError: an artifact cannot be loaded or executed.
    """
    config = tower.config
    threads = threads or os.cpu_count() or 1
    subjects: dict[str, Runtime] = {"eager/fp32": EagerRuntime(tower, tower.config)}
    torch.set_num_threads(threads)
    for case, artifact in artifacts.items():
        name = f"{case.target}/{case.precision}"
        subjects[name] = load(artifact.path, case.target, threads=threads)
        if name == BASELINE:
            subjects[RIVALS[1]] = _onnx_int8(artifact.path, threads)
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, config.input_shape).astype(np.float32)
    square = torch.from_numpy(rng.standard_normal((PRODUCT, PRODUCT)).astype(np.float32))
    calls: dict[str, Callable[[], object]] = {name: partial(each.run, image) for name, each in subjects.items()}
    times = _take_turns(calls | {"product": partial(torch.mm, square, square)}, rounds, tick)
    best = PRODUCT**3 / times.pop("product").min()
    rivals = {name: times[name] for name in RIVALS}
    return [_summary(config, name, threads, taken, rivals, best) for name, taken in times.items()]


def _onnx_int8(path: Path, threads: int) -> Runtime:
    """The model as ONNX Runtime quantises it: int8 weights for each channel, uint8 activations as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        quantised = Path(folder) / path.name
        with quiet_libraries():  # it suggests steps that an exported graph has behind it
            quantize_dynamic(path, quantised, weight_type=QuantType.QInt8, per_channel=True)
        return load(quantised, "onnx", threads=threads)


def _take_turns(
    subjects: Mapping[str, Callable[[], object]], rounds: int, tick: Callable[[int], None]
) -> dict[str, NDArray[np.float64]]:
    """Seconds of each call, ``[rounds]`` per subject; every round calls all of them, in a new order."""
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
    config: ModelConfig,
    subject: str,
    threads: int,
    taken: NDArray[np.float64],
    rivals: Mapping[str, NDArray[np.float64]],
    best: float,
) -> Latency:
    """``best`` is the largest number of multiply-accumulates of the run, per second."""
    return Latency(
        config.name,
        subject,
        threads,
        len(taken),
        median_ms=float(np.median(taken) * 1e3),
        ratios={name: _ratio(taken / theirs) for name, theirs in rivals.items()},
        utilisation=float(config.macs / np.median(taken) / best),
        budget=budgets().get(subject),
    )


def to_table(rows: list[Latency]) -> Table:
    """For people at a prompt, 80 columns wide; intervals of the other ratios are in the JSON."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("runtime", no_wrap=True)
    for heading in ("median", f"/ {BASELINE}", "/ int8", "use", "result"):
        table.add_column(heading, justify="right", no_wrap=True)
    for model in dict.fromkeys(row.model for row in rows):
        table.add_row(model)
        for row in (row for row in rows if row.model == model):
            first, second, _ = (row.ratios[name] for name in RIVALS)
            table.add_row(
                f"  {row.subject}",
                f"{row.median_ms:.0f} ms",
                str(first),
                f"{second.median:.2f}",
                f"{row.utilisation:.2f}",
                f"{row.outcome}, ≤ {row.budget.ratio:g}" if row.budget else "–",
            )
    return table


def _ratio(ratios: NDArray[np.float64]) -> Ratio:
    return Ratio(float(np.median(ratios)), *bootstrap(ratios))


def bootstrap(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % percentile bootstrap interval of the median (Efron 1979), with a fixed seed."""
    rng = np.random.default_rng(0)
    medians = np.median(rng.choice(values, (RESAMPLES, len(values))), axis=1)
    low, high = np.percentile(medians, (2.5, 97.5))
    return float(low), float(high)
