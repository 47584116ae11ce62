"""The fixtures and options that a user's own tests use."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pe_validate.case import MATRIX, PRECISIONS

Done = subprocess.CompletedProcess[str]

USERS_TEST = """
def test_mine(pe_case, pe_runtime, pe_reference):
    for sample in pe_reference.inputs[:1]:
        assert pe_runtime.run(sample.image).shape == pe_case.config.output_shape
"""


@pytest.fixture
def run_pytest(tmp_path: Path) -> Callable[..., Done]:
    (tmp_path / "test_mine.py").write_text(USERS_TEST)

    def call(*arguments: str) -> Done:
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)

    return call


def test_a_test_runs_once_for_every_case_that_is_chosen(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--collect-only", "--pe-cases", "PE-Core-T16-384/mlpackage,PE-Spatial-S16-512")
    collected = [line for line in done.stdout.splitlines() if line.startswith("test_mine.py::")]
    everything = sum(len(precisions) for precisions in PRECISIONS.values())
    assert len(collected) == len(PRECISIONS["mlpackage"]) + everything, done.stdout
    assert "test_mine.py::test_mine[PE-Spatial-S16-512/mlpackage/fp16]" in collected


def test_every_case_is_chosen_by_default(run_pytest: Callable[..., Done]) -> None:
    assert f"{len(MATRIX)} tests collected" in run_pytest("--collect-only").stdout


def test_an_unknown_case_is_a_usage_error(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--pe-cases", "PE-Core-X")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "--pe-cases: No case matches 'PE-Core-X'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_users_test_runs_the_artifact(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--pe-cases", "PE-Core-T16-384/onnx", "--pe-weights", "seed:7")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_the_plugin_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "test_plain.py").write_text("import sys\ndef test_plain(): assert 'torch' not in sys.modules\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
