"""How long the Core ML evaluator takes, beside eager PyTorch, and how much memory.

    python tests/benchmarks/evaluator.py PE-Core-S16-384

Prints the ratio of times, in turns in one process, with 95 % bootstrap intervals; the seconds that loading takes; and
the peak memory that loading and two inferences add to a process, as a multiple of the package. Exit code 1: a limit is
exceeded; a ratio of times exceeds it with its whole interval.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np

from pe_validate import mil
from pe_validate.case import Case
from pe_validate.measure.latency import _take_turns, bootstrap
from pe_validate.measure.memory import peak_memory
from pe_validate.models.registry import load_model, model_named
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.export import export

EAGER: Final = 2.5
"""Times of eager that a prediction may take."""
LOADING: Final = 0.2
"""Seconds that loading may take."""
MEMORY: Final = 3.0
"""Times of the package that the peak memory may be."""


def seconds_to_load(artifact_path: str, mode: mil.Mode) -> float:
    """The median of five; protobuf's classes are there."""
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        mil.load(artifact_path, mode)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    """Print one line for each precision and mode, and what is too much."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    eager = EagerRuntime(load_model(options.model, "seed:7"), model_named(options.model))
    shape = eager.inputs[0].shape
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    artifacts = {p: export(Case(options.model, "mlpackage", p), "seed:7") for p in ("fp16", "fp32")}
    mil.load(artifacts["fp16"].path)
    readings: list[tuple[str, mil.Mode]] = [("fp16", "declared"), ("fp16", "exact"), ("fp32", "exact")]
    programs = {reading: mil.load(artifacts[reading[0]].path, reading[1]) for reading in readings}
    calls: dict[str, Callable[[], object]] = {"eager": partial(eager.run, image)}
    calls |= {" ".join(r): partial(program.predict, {"image": image}) for r, program in programs.items()}
    times = _take_turns(calls, options.rounds, lambda done: None)
    too_much = []
    for precision, mode in readings:
        ratio = times[f"{precision} {mode}"] / times["eager"]
        low, high = bootstrap(ratio)
        loading = seconds_to_load(str(artifacts[precision].path), mode)
        print(
            f"{options.model}/mlpackage/{precision}, {mode}: {np.median(ratio):.2f} ({low:.2f} – {high:.2f}) of eager, "
            f"loaded in {loading:.3f} s"
        )
        too_much += [f"{precision} {mode} takes more than {EAGER} of eager"] * (low > EAGER)
        too_much += [f"{precision} is not loaded in {LOADING} s"] * (loading > LOADING)
    for precision, artifact in artifacts.items():
        memory = peak_memory(artifact.path, "mlpackage")
        print(
            f"{options.model}/mlpackage/{precision}: {memory / 1e6:.0f} MB at the peak, {memory / artifact.size:.2f} "
            f"of the package ({artifact.size / 1e6:.0f} MB)"
        )
        too_much += [f"{precision} takes more than {MEMORY} of the package in memory"] * (
            memory > MEMORY * artifact.size
        )
    sys.exit("\n".join(too_much) or None)


if __name__ == "__main__":
    main()
