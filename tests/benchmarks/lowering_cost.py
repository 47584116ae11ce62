"""How long ``write_pte`` takes beside the call sequence of ExecuTorch's documentation, and that both end alike.

    python tests/benchmarks/lowering_cost.py PE-Core-S16-384 --pairs 3

Every lowering is timed in a fresh process, the two ways in turns; the ratio is of CPU seconds, with its extremes.
Model loading, quantisation and imports are not counted, ``torch.export`` is.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
import time
from pathlib import Path

import torch

from pe_validate.case import Case
from pe_validate.models.registry import load_model, model_named
from pe_validate.system.process import Child
from pe_validate.targets.base import Example
from pe_validate.targets.recipes import calibration_images, lowered
from pe_validate.targets.registry import file_name, recipe
from pe_validate.targets.xnnpack.write import lower_by_partitions, write_pte

TIMEOUT = 1800.0
METADATA = {"model": "benchmark"}


def lower(case: Case, documented: bool) -> tuple[float, float, str]:
    """CPU seconds, wall seconds and sha256 of one lowering."""
    import executorch.backends.xnnpack.partition.xnnpack_partitioner
    import executorch.exir  # noqa: F401  # not to be timed

    module = lowered(load_model(case.model), case, calibration_images(case))
    image = torch.zeros(model_named(case.model).input.shape, dtype=getattr(torch, recipe(case).scheme.dtype))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file_name(case)
        cpu, wall = time.process_time(), time.perf_counter()
        if documented:
            constants = {f"pe_{key}": value for key, value in METADATA.items()}
            program = lower_by_partitions(torch.export.export(module, (image,)), constants).to_executorch()
            with path.open("wb") as file:
                program.write_to_file(file)
        else:
            write_pte(module, Example.of(image), path, METADATA)
        took = time.process_time() - cpu, time.perf_counter() - wall
        return *took, hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Print one line for each precision."""
    import lowering_cost  # a child imports it by this name

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--precisions", nargs="+", default=["fp32", "int8"])
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    for precision in options.precisions:
        case = Case(options.model, "pte", precision)
        ratios, programs, walls = [], set(), []
        for _ in range(options.pairs):
            found = []
            for documented in (True, False):
                with Child() as child:
                    found.append(child.call(lowering_cost.lower, TIMEOUT, case, documented))
            (plain, slow, first), (short, fast, second) = found
            ratios.append(short / plain)
            walls.append(fast / slow)
            programs |= {first, second}
        print(
            f"{case}: CPU {statistics.median(ratios):.2f} ({min(ratios):.2f} – {max(ratios):.2f}), "
            f"wall {statistics.median(walls):.2f}; last pair {slow:.0f} s and {fast:.0f} s; "
            f"{'byte-identical' if len(programs) == 1 else 'bytes differ'}"
        )


if __name__ == "__main__":
    main()
