"""The plugin in somebody else's project: their configuration, the usual options, and reds that they understand."""

from __future__ import annotations

import runpy
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import commands
import pytest
import torch
from commands import Done
from jinja2 import Template
from places import ROOT
from torch import Tensor, nn

from pe_validate.cli import init
from pe_validate.targets.base import Example
from pe_validate.targets.registry import target_named

STRANGER = ROOT / "tests" / "stranger"
CASES = ("leaves/onnx/fp32", "leaves/pt2/fp32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of their project, with the test that 'pe-validate init' writes."""
    copy = tmp_path / "greenhouse"
    shutil.copytree(STRANGER, copy, ignore=shutil.ignore_patterns("__pycache__"))
    template = Path(init.__file__).parent / "templates" / "test_conversion.py.jinja"
    (copy / init.TEST).write_text(Template(template.read_text()).render(name="leaves"))
    return copy


@pytest.fixture
def run_pytest(folder: Path, session_folder: Path) -> Callable[..., Done]:
    cache = session_folder / "greenhouse"  # all tests here export the same
    # With '=', or pytest would look for its configuration above that folder, too.
    return partial(commands.pytest, f"--pe-cache-dir={cache}", folder=folder)


def test_it_is_green_and_every_gate_of_its_cases_was_judged(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--pe-require", "-v")
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout
    assert all(f"test_every_gate_passes[{case}] PASSED" in done.stdout for case in CASES)


def test_workers_and_junit_have_every_case(run_pytest: Callable[..., Done], folder: Path) -> None:
    done = run_pytest("-n2", "--dist", "loadgroup", "--junitxml", "made.xml", "--pe-require")
    assert done.returncode == 0, done.stdout
    made = [str(test.get("name")) for test in ElementTree.parse(folder / "made.xml").iter("testcase")]
    names = {name.partition("@")[0] for name in made}  # xdist appends its group
    assert names == {"test_the_genus_has_a_capital", *(f"test_every_gate_passes[{case}]" for case in CASES)}


def test_one_case_can_be_chosen_by_name_and_what_is_slow_left_out(run_pytest: Callable[..., Done]) -> None:
    assert "1 passed, 2 deselected" in run_pytest("-k", "onnx").stdout
    assert "1 passed, 2 deselected" in run_pytest("-m", "not slow").stdout
    assert "2 passed, 1 deselected" in run_pytest("-m", "slow").stdout
    assert "1 passed, 1 deselected" in run_pytest("--pe-cases", "leaves/onnx", "-m", "slow").stdout


class Blue(nn.Module):
    """Their build, in which somebody reads photographs with OpenCV."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, photo: Tensor) -> Tensor:
        features: Tensor = self.encoder(photo.flip(1))
        return features


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec:FutureWarning")  # of the exporter of torch 2.13
def test_a_red_says_what_is_wrong_why_and_how_to_see_it_again(run_pytest: Callable[..., Done], folder: Path) -> None:
    build = runpy.run_path(str(folder / "src/greenhouse/leaves.py"))["build"]
    example = Example.of(torch.zeros(1, 3, 32, 32))
    path = folder / "leaves.onnx"
    target_named("onnx").write(Blue(build()).eval(), example, path, {"model": "leaves"}, "fp32")
    done = run_pytest(f"--pe-artifact={path}", "--pe-model", "leaves", "-m", "slow")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    said = [line.removeprefix("E").strip() for line in done.stdout.splitlines() if line.startswith("E ")]
    assert said[0].startswith("AssertionError: leaves/onnx/fp32 fails identity")
    assert any("is the model fed with BGR" in line for line in said)
    assert any(line.startswith(f"See it again: pe-validate check {path} --model leaves") for line in said)
    assert "plugin.py" not in done.stdout
