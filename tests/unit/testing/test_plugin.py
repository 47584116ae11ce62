"""The fixtures and options that a user's own tests use."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import commands
import pytest
from commands import Done
from own_models import project
from places import ROOT

from pe_validate.case import MATRIX, default_cases
from pe_validate.targets.registry import target_named, targets

USERS_TEST = """
from pe_validate.models.registry import model_named

def test_mine(pe_case, pe_runtime, pe_reference):
    for sample in pe_reference.inputs[:1]:
        assert pe_runtime.run(sample.image).shape == model_named(pe_case.model).output.shape
"""


@pytest.fixture
def run_pytest(tmp_path: Path) -> Callable[..., Done]:
    (tmp_path / "test_mine.py").write_text(USERS_TEST)

    return partial(commands.pytest, "-q", folder=tmp_path)


def test_a_test_runs_once_for_every_case_that_is_chosen(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--collect-only", "--pe-cases", "PE-Core-T16-384/mlpackage,PE-Spatial-S16-512")
    collected = [line for line in done.stdout.splitlines() if line.startswith("test_mine.py::")]
    everything = sum(len(target.precisions) for target in targets().values())
    assert len(collected) == len(target_named("mlpackage").precisions) + everything, done.stdout
    assert "test_mine.py::test_mine[PE-Spatial-S16-512/mlpackage/fp16]" in collected


def test_the_cases_of_the_command_line_are_chosen_by_default(run_pytest: Callable[..., Done]) -> None:
    assert f"{len(default_cases())} tests collected" in run_pytest("--collect-only").stdout
    assert f"{len(MATRIX)} tests collected" in run_pytest("--collect-only", "--pe-cases", "*").stdout


def test_the_users_own_models_are_the_default_where_there_are_any(
    run_pytest: Callable[..., Done], tmp_path: Path
) -> None:
    project(tmp_path)
    collected = run_pytest("--collect-only").stdout
    assert "test_mine[mine/onnx/fp32]" in collected
    assert "2 tests collected" in collected


def test_an_unknown_case_is_a_usage_error(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--pe-cases", "PE-Core-X")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR, done.stdout
    assert "--pe-cases: No case matches 'PE-Core-X'" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_users_test_runs_the_artifact(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--pe-cases", "PE-Core-T16-384/onnx", "--pe-weights", "seed:7")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_one_worker_takes_every_test_of_a_case(tmp_path: Path) -> None:
    said = tmp_path / "said"
    (tmp_path / "test_many.py").write_text(f"""
import pytest

@pytest.mark.parametrize("turn", range(6))
def test_many(pe_case, turn, worker_id):
    with open({str(said)!r}, "a") as file:
        file.write(f"{{pe_case}} {{worker_id}}\\n")
""")
    cases = ["PE-Nano/onnx/fp32", "PE-Nano/pte/fp32", "PE-Nano/pte/int8"]
    done = commands.pytest("-q", "-n2", "--dist", "loadgroup", "--pe-cases", ",".join(cases), folder=tmp_path)
    assert done.returncode == 0, done.stdout
    ran = [line.split() for line in said.read_text().splitlines()]
    assert len(ran) == 6 * len(cases)
    workers = {case: {worker for of, worker in ran if of == case} for case in cases}
    assert [len(each) for each in workers.values()] == [1] * len(cases), workers
    assert len(set.union(*workers.values())) == 2, "both workers have cases"


def test_the_plugin_costs_nothing_where_it_is_not_used(tmp_path: Path) -> None:
    """Of this project's modules nothing but the plugin's own is loaded, and nothing is said."""
    (tmp_path / "test_plain.py").write_text(
        "import sys\n"
        "def test_plain():\n"
        "    loaded = {name for name in sys.modules if name.partition('.')[0] in ('pe_validate', 'torch', 'numpy')}\n"
        "    assert loaded == {'pe_validate', 'pe_validate.testing', 'pe_validate.testing.plugin'}\n"
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "pe_validate:" not in done.stdout


def test_it_says_which_weights_are_validated_where_it_is_used(run_pytest: Callable[..., Done]) -> None:
    assert "pe_validate: weights seed:7; Core ML" in run_pytest("--collect-only", "-v").stdout


def test_junits_default_form_holds_what_was_judged_and_warns_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_gates.py").write_text("def test_gates(pe_verdicts): assert pe_verdicts\n")
    arguments = ("-q", "-W", "error", "--junitxml", "made.xml", "--pe-cases", "PE-Nano/onnx/fp32", "--pe-require")
    done = commands.pytest(*arguments, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "pe_validate gates" in (tmp_path / "made.xml").read_text()


def test_weights_that_cannot_be_loaded_are_one_sentence(run_pytest: Callable[..., Done]) -> None:
    done = run_pytest("--pe-cases", "PE-Nano/onnx", "--pe-weights", "file:nowhere.safetensors")
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "No checkpoint at 'nowhere.safetensors'" in done.stdout
    assert "Traceback" not in done.stdout
    assert "plugin.py" not in done.stdout


CONVERSION = ROOT / "tests" / "conversion"
CASE = "PE-Nano/onnx/fp32"
GATES = "test_every_gate_passes_on_photographs_and_structured_images"


@pytest.fixture
def run_suite(tmp_path: Path) -> Callable[..., Done]:
    """The project's own suite, on one small case, with a conftest that may spoil it."""
    suite = tmp_path / "conversion"
    shutil.copytree(CONVERSION, suite, ignore=shutil.ignore_patterns("__pycache__", "test_goldens.py"))

    def call(*arguments: str, spoiling: str = "") -> Done:
        (tmp_path / "conftest.py").write_text(spoiling)
        named = arguments if str(tmp_path) in arguments else (str(suite), *arguments)
        return commands.pytest("-q", "--pe-cases", CASE, *named, folder=tmp_path)

    return call


def marking(mark: str) -> str:
    return f"""
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if item.originalname == "{GATES}":
            item.add_marker({mark})
"""


def test_a_run_that_judges_every_gate_is_green(run_suite: Callable[..., Done]) -> None:
    done = run_suite("-k", "gate")
    assert done.returncode == 0, done.stdout
    assert "not proved" not in done.stdout


def test_workers_report_to_the_one_ledger(run_suite: Callable[..., Done]) -> None:
    assert run_suite("-k", "gate", "-n", "1").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "spoiling"),
    [
        (("-k", "nothing"), ""),
        (("-k", "nothing", "-n", "1"), ""),
        (("-k", "tells_images_apart"), ""),
        (("-m", "no_such_mark", "-o", "addopts="), ""),
        (("--deselect", f"conversion/test_parity.py::{GATES}[{CASE}]", "-k", "gate or tells"), ""),
        (("-k", "gate"), marking("pytest.mark.skip")),
        (("-k", "gate"), marking("pytest.mark.xfail(strict=False)")),
        (("-k", "gate", "--runxfail"), marking("pytest.mark.skipif(True, reason='not today')")),
        (("--ignore", "conversion/test_parity.py"), ""),
    ],
    ids=["empty", "empty with workers", "others", "no mark", "deselected", "skipped", "xfailed", "skipif", "ignored"],
)
def test_a_run_that_did_not_judge_what_it_was_asked_for_is_red(
    run_suite: Callable[..., Done], arguments: tuple[str, ...], spoiling: str
) -> None:
    done = run_suite(*arguments, spoiling=spoiling)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert f"{CASE}: nothing that passed has judged rewrite, fidelity, loss" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("-p", "no:pe_validate requirement"), ("--collect-only", "--pe-require")], ids=["blocked", "listed"]
)
def test_what_requires_the_gates_cannot_be_switched_off(
    run_suite: Callable[..., Done], arguments: tuple[str, ...]
) -> None:
    done = run_suite("-k", "tells_images_apart", *arguments)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert f"{CASE}: nothing that passed has judged" in done.stdout


def test_tests_may_be_listed(run_suite: Callable[..., Done]) -> None:
    assert run_suite("--collect-only").returncode == 0


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "with workers"])
def test_the_suite_requires_its_gates_also_where_it_is_one_of_several(
    run_suite: Callable[..., Done], tmp_path: Path, workers: tuple[str, ...]
) -> None:
    """Its conftest is met only when its folder is collected."""
    (tmp_path / "test_other.py").write_text("def test_trivial(): pass")
    done = run_suite(str(tmp_path), "-k", "trivial", *workers)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert f"{CASE}: nothing that passed has judged" in done.stdout


def test_a_gate_that_is_no_longer_asked_for_makes_the_run_red(run_suite: Callable[..., Done]) -> None:
    spoiling = """
import pytest
from pe_validate.gates import registry

@pytest.fixture(autouse=True)
def without_extremes(monkeypatch):
    asked = tuple(gate for gate in registry.GATES if gate.name not in ("extremes", "determinism"))
    monkeypatch.setattr(registry, "GATES", asked)
"""
    done = run_suite("-k", "gate", spoiling=spoiling)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout
    assert "nothing that passed has judged extremes, determinism" in done.stdout
