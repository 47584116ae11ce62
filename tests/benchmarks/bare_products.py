"""What no rewrite can go below: the model's matrix products alone, without norms, GELU, softmax and rotation.

    python tests/benchmarks/bare_products.py PE-Core-S16-384 --layers 3

Times the whole model in ONNX Runtime, the whole ``.pte``, and a ``.pte`` of the products alone (fp32 and int8), in
turns in one process, and prints median ratios to ONNX Runtime with 95 % bootstrap intervals. Depth may be cut: every
block is alike.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pe_validate.case import Case
from pe_validate.measure.latency import _take_turns, bootstrap
from pe_validate.models.perception_encoder.vision import deploy
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.targets.base import Example
from pe_validate.targets.onnx.write import write_onnx
from pe_validate.targets.open import load
from pe_validate.targets.recipes import lowered
from pe_validate.targets.xnnpack.write import write_pte


def products_alone(tower: VisionTower, case: Case) -> nn.Module:
    """The deployable model with everything but its linear layers and attention products taken out."""
    module = lowered(tower, case)
    for part in module.modules():
        if isinstance(part, deploy.Standardize | deploy.Gelu):
            vars(part)["forward"] = lambda x: x
        if isinstance(part, deploy.RotaryTable):
            vars(part)["forward"] = lambda even, odd: torch.cat([even, odd], dim=-1)
    return module


def main() -> None:
    """Print one line for each program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    config = replace(MODELS[options.model], layers=options.layers)
    tower = VisionTower(config).eval().requires_grad_(False)
    tower.load_state_dict(seeded(config, 7))
    image = torch.zeros(config.input_shape)
    metadata = {"model": options.model}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        paths = {"ONNX Runtime fp32, whole model": Path(folder) / "whole.onnx"}
        onnx = Case(options.model, "onnx", "fp32")
        write_onnx(lowered(tower, onnx), Example.of(image), paths["ONNX Runtime fp32, whole model"], metadata)
        for precision in ("fp32", "int8"):
            case = Case(options.model, "pte", precision)
            for name, module in (("whole model", lowered(tower, case)), ("products", products_alone(tower, case))):
                if name == "products":
                    patch.setattr(torch, "softmax", lambda x, dim: x)
                paths[f"ExecuTorch {precision}, {name}"] = Path(folder) / f"{precision} {name}.pte"
                write_pte(module, Example.of(image), paths[f"ExecuTorch {precision}, {name}"], metadata)
                patch.undo()
        runtimes = {name: load(path, path.suffix[1:], threads=options.threads) for name, path in paths.items()}
        pixels = np.random.default_rng(0).uniform(-1, 1, config.input_shape).astype(np.float32)
        calls = {name: partial(runtime.run, pixels) for name, runtime in runtimes.items()}
        times = _take_turns(calls, options.rounds, lambda done: None)
    baseline = times["ONNX Runtime fp32, whole model"]
    for name, taken in times.items():
        low, high = bootstrap(taken / baseline)
        ratio = np.median(taken / baseline)
        print(f"{options.model}, {options.layers} blocks: {name}: {ratio:.2f} ({low:.2f} – {high:.2f})")


if __name__ == "__main__":
    main()
