"""Both routes to Core ML, for the tower as it is and for its rewrite: operators, size, numbers.

    python tests/benchmarks/coreml_routes.py PE-Nano PE-Core-T16-384

Prints a Markdown table: operators and how many attentions are one of them, the package, and the
SNR to float32 eager PyTorch of the package read exactly and as it declares.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from pe_validate.data.compare import compare
from pe_validate.data.recipe import FUSED
from pe_validate.mil import load
from pe_validate.mil.inspection import inspect
from pe_validate.models.registry import load_model, model_named
from pe_validate.targets.base import Example
from pe_validate.targets.coreml.routes import ROUTES, convert

COLUMNS = ("model", "form", "route", "iOS", "operators", "whole attentions", "file", "exact", "declared")


def rows(model: str) -> Iterator[tuple[str, ...]]:
    """One for each form, route and target, in float16."""
    tower = load_model(model, "seed:7")
    image = model_named(model).feed.samples()[0].image
    with torch.no_grad():
        expected = tower(torch.from_numpy(image)).numpy()
    for form, module in (("tower", tower), ("rewrite", model_named(model).deployable(tower, FUSED))):
        for route in ROUTES:
            for ios in (17, 18):
                with TemporaryDirectory() as folder:
                    path = Path(folder) / "model.mlpackage"
                    convert(module, Example.of(torch.from_numpy(image)), route=route, ios=ios).save(str(path))
                    found = inspect(path)
                    answers = (load(path, mode).predict({"image": image})["features"] for mode in ("exact", "declared"))
                    yield (
                        *(model, form, route, str(ios), str(sum(found.operators.values()))),
                        str(found.operators.get("scaled_dot_product_attention", 0)),
                        f"{found.bytes / 1e6:.1f} MB",
                        *(f"{compare(expected, answer).snr_db:.1f} dB" for answer in answers),
                    )


def main() -> None:
    """Print the table as it comes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="+")
    for line in (COLUMNS, ("---",) * len(COLUMNS)):
        print(f"| {' | '.join(line)} |")
    for model in parser.parse_args().model:
        for row in rows(model):
            print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
