"""A distribution of somebody else registers a model and a target, and passes the walk without a line changed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from places import ROOT

DISTRIBUTION = ROOT / "tests" / "third_party"


@pytest.fixture(scope="session")
def installed(session_folder: Path) -> Path:
    """A folder that pip has installed it to, once for all workers."""
    folder = session_folder / "third_party"
    with FileLock(session_folder / "third_party.lock"):
        if not folder.exists():
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check"]
            unfinished = session_folder / "third_party.unfinished"
            subprocess.run([*command, "--target", str(unfinished), str(DISTRIBUTION)], check=True, capture_output=True)
            unfinished.rename(folder)
    return folder


def pe_validate(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    search = os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-P", "-m", "pe_validate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": search})


def test_its_cases_are_listed(installed: Path) -> None:
    done = pe_validate(installed, "list", "--json")
    cases = {entry["case"] for entry in json.loads(done.stdout)}
    assert {"Example-Tiny/torchscript/fp32", "Example-Tiny/pte/int8", "PE-Core-S16-384/torchscript/fp32"} <= cases


@pytest.mark.parametrize(
    "patterns",
    [
        ("Example-Tiny/torchscript", "Example-Tiny/onnx", "Example-Tiny/pt2", "PE-Nano/torchscript"),
        pytest.param(("Example-Tiny",), marks=pytest.mark.full),
    ],
    ids=["its target and plain ones", "every target"],
)
def test_its_model_and_its_target_pass_every_gate(installed: Path, tmp_path: Path, patterns: tuple[str, ...]) -> None:
    done = pe_validate(installed, "run", *patterns, "--quiet", "--report", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert all({"rewrite", "fidelity", "loss", "extremes"} <= set(result["required"]) for result in report["results"])


def test_without_it_nothing_is_known_of_its_names(tmp_path: Path) -> None:
    done = pe_validate(tmp_path, "list", "Example-Tiny")
    assert done.returncode == 2
    assert "No case matches 'Example-Tiny'" in done.stderr


def test_its_goldens_are_not_asked_for(installed: Path) -> None:
    """The project's own goldens hold with it installed, too."""
    done = pe_validate(installed, "golden", "--check", "PE-Nano", "--dir", str(ROOT / "golden"))
    assert done.returncode == 0, done.stderr
