"""``pe-validate init`` writes a configuration, a test and a workflow that hold together, and changes nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import commands
import pytest
from commands import Done
from own_models import SOURCE

FLAGS = ("--module", "network.py:build", "--shape", "1,3,32,32")
WRITTEN = {"pe-validate.toml", "tests/test_conversion.py", ".github/workflows/pe-validate.yml"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "network.py").write_text(SOURCE)
    return tmp_path


def init(folder: Path, *flags: str) -> Done:
    return commands.pe_validate("init", *flags, folder=folder)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_it_writes_makes_a_case_of_the_model(folder: Path) -> None:
    done = init(folder, *FLAGS, "--input", "pixels", "--preprocessing", "imagenet")
    assert done.returncode == 0, done.stderr
    assert files(folder) == WRITTEN | {"network.py"}
    assert done.stdout.splitlines()[-1] == "Next: pe-validate run network"
    listed = json.loads(commands.pe_validate("list", "network", "--json", folder=folder).stdout)
    assert [row["case"] for row in listed] == ["network/onnx/fp32", "network/mlpackage/fp16", "network/mlpackage/fp32"]


def test_its_test_is_green_and_judges_every_gate(folder: Path, session_folder: Path) -> None:
    init(folder, *FLAGS, "--name", "mine", "--target", "onnx/fp32", "--preprocessing", "imagenet", "--input", "pixels")
    arguments = ("-q", "--pe-require", "--pe-cache-dir", session_folder / "own", "tests/test_conversion.py")
    done = commands.pytest(*arguments, folder=folder)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_its_workflow_is_one(folder: Path) -> None:
    init(folder, *FLAGS)
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema"]
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        subprocess.run([*checker, schema, str(folder / ".github/workflows/pe-validate.yml")], check=True)


@pytest.mark.parametrize("there", sorted(WRITTEN))
def test_nothing_that_is_there_is_changed(folder: Path, there: str) -> None:
    (folder / there).parent.mkdir(parents=True, exist_ok=True)
    (folder / there).write_text("mine")
    done = init(folder, *FLAGS)
    assert done.returncode == 2
    assert f"'{there}' is there already" in done.stderr
    assert files(folder) == {"network.py", there}
    assert (folder / there).read_text() == "mine"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (FLAGS[:2], "Nothing says --shape"),
        (FLAGS[2:], "Nothing says --module"),
        ((*FLAGS[:2], "--shape", "1x3"), "'1x3' is no shape"),
        ((*FLAGS[:2], "--shape", "1,0"), r"pe-validate.toml' is not understood at models.network.inputs.image.shape.1"),
        ((*FLAGS, "--preprocessing", "resnet"), "'resnet' is none of pe, imagenet"),
        ((*FLAGS, "--name", "a/b"), "is not understood at models"),
    ],
)
def test_what_would_not_work_is_one_sentence_and_writes_nothing(
    folder: Path, flags: tuple[str, ...], said: str
) -> None:
    done = init(folder, *flags)
    assert done.returncode == 2
    assert said in done.stderr
    assert files(folder) == {"network.py"}
