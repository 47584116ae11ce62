"""A package with compressed weights computes what its decompressed form computes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mil_networks import Quiet
from torch import nn

from pe_validate.mil import load

INPUT = np.random.default_rng(7).standard_normal((2, 64)).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 64)).eval()


def _compress(ct: Any, method: str, package: Any) -> Any:
    optimize = ct.optimize.coreml
    configurations = {
        "linear-int8": optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0),
        "affine-uint8": optimize.OpLinearQuantizerConfig(mode="linear", dtype="uint8", weight_threshold=0),
        "int4-blocks": optimize.OpLinearQuantizerConfig(
            mode="linear_symmetric", dtype="int4", granularity="per_block", block_size=32, weight_threshold=0
        ),
        "palette-4": optimize.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=0),
        "palette-6": optimize.OpPalettizerConfig(mode="uniform", nbits=6, weight_threshold=0),
        "sparse": optimize.OpMagnitudePrunerConfig(target_sparsity=0.75, weight_threshold=0),
    }
    config = optimize.OptimizationConfig(global_config=configurations[method])
    if method == "sparse":
        return optimize.prune_weights(package, config)
    if method.startswith("palette"):
        return optimize.palettize_weights(package, config)
    return optimize.linear_quantize_weights(package, config)


@pytest.mark.parametrize(
    ("method", "target", "precision"),
    [
        ("linear-int8", "iOS17", "FLOAT32"),
        ("affine-uint8", "iOS17", "FLOAT32"),
        ("palette-4", "iOS17", "FLOAT32"),
        ("palette-6", "iOS17", "FLOAT32"),
        ("sparse", "iOS17", "FLOAT32"),
        ("linear-int8", "iOS18", "FLOAT32"),
        ("int4-blocks", "iOS18", "FLOAT32"),
        ("palette-4", "iOS18", "FLOAT32"),
        ("sparse", "iOS18", "FLOAT32"),
        ("linear-int8", "iOS17", "FLOAT16"),
        ("int4-blocks", "iOS18", "FLOAT16"),
    ],
)
def test_compressed_equals_decompressed(
    ct: Any,
    quiet: Quiet,
    save_module: Callable[..., Path],
    model: nn.Module,
    tmp_path: Path,
    method: str,
    target: str,
    precision: str,
) -> None:
    whole = save_module(model, torch.from_numpy(INPUT), precision, tmp_path / "whole.mlpackage", target)
    with quiet():
        compressed = _compress(ct, method, ct.models.MLModel(str(whole), skip_model_load=True))
        compressed.save(str(tmp_path / "compressed.mlpackage"))
        ct.optimize.coreml.decompress_weights(compressed).save(str(tmp_path / "decompressed.mlpackage"))
    assert b"constexpr_" in (tmp_path / "compressed.mlpackage/Data/com.apple.CoreML/model.mlmodel").read_bytes()
    outputs = {
        name: load(tmp_path / f"{name}.mlpackage").predict({"image": INPUT})["features"]
        for name in ("whole", "compressed", "decompressed")
    }
    # coremltools dequantises into float16 where the weights are float16, which mode 'exact' does not.
    tolerance = 1e-5 if precision == "FLOAT32" else 2e-3
    np.testing.assert_allclose(outputs["compressed"], outputs["decompressed"], rtol=tolerance, atol=tolerance)
    assert not np.array_equal(outputs["compressed"], outputs["whole"])
