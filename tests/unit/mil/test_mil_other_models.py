"""Networks that are no vision transformer are computed as eager PyTorch computes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mil_networks import LIMIT, NETWORKS, Quiet, distance, network, save

from pe_validate.mil import load


@pytest.mark.parametrize("target", ["iOS15", "iOS17", "iOS18"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_float32_package_computes_what_eager_computes(
    ct: Any, quiet: Quiet, tmp_path: Path, name: str, target: str
) -> None:
    model, x = network(name)
    with torch.inference_mode():
        expected = model(x).numpy()
    with quiet():
        path = save(ct, model, x, tmp_path / "model.mlpackage", target)
    found = load(path).predict({"x": x.numpy()})["y"]
    assert found.shape == expected.shape
    assert distance(found, expected) < LIMIT


@pytest.mark.parametrize("name", NETWORKS)
def test_a_float16_package_costs_what_float16_costs(ct: Any, quiet: Quiet, tmp_path: Path, name: str) -> None:
    model, x = network(name)
    with torch.inference_mode():
        expected = model(x).numpy()
    with quiet():
        path = save(ct, model, x, tmp_path / "model.mlpackage", precision="FLOAT16")
    exact, declared = (load(path, mode).predict({"x": x.numpy()})["y"] for mode in ("exact", "declared"))
    assert LIMIT < distance(declared, expected) < 1e-2
    assert distance(exact, expected) < 1e-2
    assert not np.array_equal(exact, declared)
