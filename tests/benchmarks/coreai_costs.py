"""What Core AI costs: seconds to convert and to run an image, memory at its most, and bytes, case by case.

    python tests/benchmarks/coreai_costs.py PE-Nano PE-Core-T16-384
    python tests/benchmarks/coreai_costs.py PE-Nano --native

Prints the table of docs/coreai.md. ``--native`` runs files in float16 with the runtime's own float16, too, which takes
a hundred times as long. Each case is converted and run in children of its own, one at a time.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from pathlib import Path
from time import perf_counter

from pe_validate.case import Case
from pe_validate.data.outputs import Reading
from pe_validate.inputs.images import Sample
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import load_weights, model_named
from pe_validate.system.files import size
from pe_validate.system.process import Child
from pe_validate.targets.coreai import COREAI
from pe_validate.targets.open import load
from pe_validate.targets.worker import build

TIMES = 3
"""Runs of which the fastest counts."""


def peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def convert(case: Case, sha256: str, folder: Path) -> tuple[float, float, Path]:
    """Convert a case; to be called in a child. Return seconds, MB and the file."""
    import coreai_opt  # noqa: F401 - imported before the clock starts, as is torch
    import torch  # noqa: F401

    begun = perf_counter()
    made = build(case, DEFAULT_WEIGHTS, sha256, folder)
    return perf_counter() - begun, peak(), made.path


def run(path: Path, reading: Reading, sample: Sample) -> tuple[float, float, float]:
    """Run a file; to be called in a child. Return seconds to load and for an image, and MB."""
    begun = perf_counter()
    runtime = load(path, COREAI.name, reading)
    loaded, taken = perf_counter() - begun, []
    for _ in range(TIMES):
        begun = perf_counter()
        runtime.run(*sample.values)
        taken.append(perf_counter() - begun)
        if taken[-1] > 60:
            break
    return loaded, min(taken), peak()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--native", action="store_true", help="run the runtime's own float16, too")
    parser.add_argument("--precision", nargs="*", default=list(COREAI.precisions), help="by default all")
    wanted = parser.parse_args()
    print("| case | MB | convert, s | memory, MB | reading | load, s | an image, s | memory, MB |")
    print("| --- | ---: | ---: | ---: | --- | ---: | ---: | ---: |")
    for model in wanted.models:
        sha256, sample = load_weights(model, DEFAULT_WEIGHTS).sha256, model_named(model).feed.crops(1, 1, None)[0]
        for precision in wanted.precision:
            case = Case(model, COREAI.name, precision)
            readings = [COREAI.reading(precision, "model")]
            readings += ["native"] if wanted.native and readings != ["native"] and precision != "fp32" else []
            with tempfile.TemporaryDirectory() as folder:
                with Child() as child:
                    seconds, most, path = child.call(convert, 3600, case, sha256, Path(folder))
                about = f"| {case} | {size(path) / 1e6:.1f} | {seconds:.1f} | {most:,.0f} |"
                for reading in readings:
                    with Child() as child:
                        loaded, taken, held = child.call(run, 3600, path, reading, sample)
                    print(f"{about} {reading} | {loaded:.1f} | {taken:.2f} | {held:,.0f} |", flush=True)


if __name__ == "__main__":
    import coreai_costs  # by its name: children import the functions that they call

    coreai_costs.main()
