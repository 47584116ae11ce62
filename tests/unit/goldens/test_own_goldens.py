"""A user's own model has goldens that another process checks, and bundles for a phone."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import commands
import pytest
from commands import Done

CONFIGURATION = """
[models.small]
module = "net.py:build"
targets = [{targets}]
[models.small.inputs.image]
shape = [1, 3, 16, 16]
"""
NETWORK = """
from torch import nn


def build():
    return nn.Sequential(nn.Conv2d(3, 4, 8, 8), nn.Flatten(), nn.Linear(16, 5))
"""


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    (tmp_path / "net.py").write_text(NETWORK)
    return partial(commands.pe_validate, folder=tmp_path)


@pytest.mark.parametrize("targets", ['"onnx/fp32"', '"onnx/fp32", "pte/fp32"'], ids=["on no phone", "on phones"])
def test_another_process_makes_the_model_that_a_golden_is_of(
    pe_validate: Callable[..., Done], tmp_path: Path, targets: str
) -> None:
    (tmp_path / "pe-validate.toml").write_text(CONFIGURATION.format(targets=targets))
    for option in ("--update", "--check"):
        done = pe_validate("golden", option, "small", "--dir", "golden", "--quiet")
        assert done.returncode == 0, done.stderr
    entry = json.loads((tmp_path / "golden" / "manifest.json").read_text())["goldens"]["small"]
    assert entry["weights"] == "seed:7"
    assert entry["output_shape"] == [1, 5]


def test_it_is_bundled_with_weights_that_another_process_can_name(
    pe_validate: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "pe-validate.toml").write_text(CONFIGURATION.format(targets='"pte/fp32"'))
    for words in (("golden", "--update", "small", "--dir"), ("ios", "bundle", "small", "--out", "out", "--goldens")):
        done = pe_validate(*words, "golden", "--quiet")
        assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    (artifact,) = manifest["bundle"]["artifacts"]
    assert (artifact["case"], artifact["weights"]) == ("small/pte/fp32", "seed:7")
    assert manifest["budgets"]["small"]
