"""How many images ``pe-validate accuracy`` answers, against the runtime alone.

``python tests/benchmarks/images_per_second.py [CASE]… [--images N] [--rounds N]`` writes photographs as JPEG files of
500 × 375 pixels, and takes turns: processes answer them as the command does, then as many processes, begun alike,
compute as often on an image that lies in memory. It prints both in images per second, and the ratio of
each round's two with its bootstrap interval; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image

from pe_validate.case import select
from pe_validate.inputs.datasets import Dataset, dataset_at
from pe_validate.inputs.feed import ImageFeed
from pe_validate.machines.answering import Answerer
from pe_validate.machines.workers import Processes
from pe_validate.measure.latency import bootstrap
from pe_validate.models.registry import model_named
from pe_validate.system.process import Child
from pe_validate.targets.export import export
from pe_validate.targets.registry import target_named

WIDTH, HEIGHT = 500, 375


def write_photographs(folder: Path, count: int) -> Dataset:
    """Crops of the project's photographs, as a dataset of two classes."""
    for number, pixels in enumerate(ImageFeed(HEIGHT, WIDTH).pixels().values()):
        if number < 3:
            for copy in range(count // 3):
                path = folder / f"class {copy % 2}" / f"{number}-{copy}.jpg"
                path.parent.mkdir(exist_ok=True)
                Image.fromarray(np.roll(pixels, copy, axis=1)).save(path, quality=90)
    return dataset_at(folder)


def compute(answerer: Answerer, count: int) -> None:
    """Answer an image that lies in memory ``count`` times; to be called in a child."""
    runtime = answerer.open()
    (sample,) = model_named(answerer.case.model).feed.crops(1, 0)
    values = sample.values
    for _ in range(count):
        runtime.run(*values)


def alone(answerer: Answerer, count: int, jobs: int) -> None:
    """``count`` inferences in ``jobs`` processes, without images."""
    from images_per_second import compute as importable  # a child cannot import __main__

    def one(_: int) -> None:
        with Child(preload=target_named(answerer.case.target).preload) as child:
            child.call(importable, 3600, answerer, count // jobs)

    with ThreadPoolExecutor(jobs) as workers:
        list(workers.map(one, range(jobs)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table, in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["PE-Core-T16-384/pte/int8"], metavar="CASE")
    parser.add_argument("--images", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args(arguments)
    print("| case | processes | images per second | runtime alone | ratio |\n| --- | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_photographs(Path(folder), options.images)
        count = dataset.images or 0
        for case in select(options.cases):
            artifact = export(case)
            answerer = Answerer(case, artifact.weights, artifact.sha256, 1, artifact.path)
            for jobs in options.jobs:
                ours, bare = [], []
                for _ in range(options.rounds):
                    start = perf_counter()
                    for _ in Processes(jobs, 1).answers(answerer, dataset.shards):
                        pass
                    middle = perf_counter()
                    alone(answerer, count, jobs)
                    ours.append(count / (middle - start))
                    bare.append(count // jobs * jobs / (perf_counter() - middle))
                ratios = np.array(ours) / np.array(bare)
                low, high = bootstrap(ratios)
                print(
                    f"| {case} | {jobs} | {np.median(ours):.1f} | {np.median(bare):.1f} | "
                    f"{np.median(ratios):.2f} ({low:.2f} – {high:.2f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
