"""A file of the user's own build goes wherever a case goes, and is told apart from cases by how its name ends."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import commands
import onnx
import pytest
from commands import Done
from onnx import numpy_helper
from places import GOLDENS

from pe_validate.case import select
from pe_validate.goldens.bundle import bundle
from pe_validate.inputs.cache import default_cache_dir
from pe_validate.system.errors import UsageError
from pe_validate.system.files import digest
from pe_validate.targets.export import export
from pe_validate.walk.check import claimed
from pe_validate.walk.files import adopted, chosen, is_file

MODEL = "PE-Nano"
(CASE,) = select([f"{MODEL}/onnx"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The user's build of PE-Nano."""
    return Path(shutil.copyfile(export(CASE).path, tmp_path / "build.onnx"))


@pytest.fixture
def wrong(file: Path) -> Path:
    """The same with one weight turned over."""
    model = onnx.load(file)
    largest = max(model.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(largest), largest.name))
    onnx.save(model, file.with_name("wrong.onnx"))
    return file.with_name("wrong.onnx")


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    return partial(commands.pe_validate, folder=tmp_path)


@pytest.mark.parametrize(
    ("word", "answer"),
    [("build/x.pte", True), ("x.onnx", True), ("x.mlpackage", True), ("PE-Nano/pte", False), ("mine/pte/int8", False)],
)
def test_a_word_is_a_file_by_how_it_ends(word: str, answer: bool) -> None:
    assert is_file(word) is answer


def test_files_stand_beside_cases_and_say_which_case_they_are(file: Path) -> None:
    cases, files = chosen([str(file), f"{MODEL}/pte/int8"], MODEL)
    assert [*map(str, cases)] == [f"{MODEL}/onnx/fp32", f"{MODEL}/pte/int8"]
    assert files.keys() == {CASE}
    assert files[CASE].sha256 == digest(file)
    assert not files[CASE].made_here
    assert [*map(str, files[CASE].inputs)] == ["image: float32[1, 3, 64, 64]"]


@pytest.mark.parametrize(
    ("names", "model", "said"),
    [
        (["build.onnx"], None, "'.*build.onnx' is a file: say which model it is"),
        (["build.onnx", "build.onnx"], MODEL, "both claim to be PE-Nano/onnx/fp32: name one"),
        (["nothing.onnx"], MODEL, "There is nothing at"),
    ],
)
def test_what_files_are_not_clear_about_is_one_sentence(
    file: Path, names: list[str], model: str | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        chosen([str(file.with_name(name)) for name in names], model)


def test_a_file_is_timed_beside_what_is_exported_here(file: Path, pe_validate: Callable[..., Done]) -> None:
    done = pe_validate("latency", file.name, "--model", MODEL, "--rounds", "5", "--json", "--quiet")
    assert done.returncode in (0, 1), done.stderr  # on a busy machine the ratio may be anything
    assert '"subject": "onnx/fp32"' in done.stdout


def test_a_golden_is_replayed_with_a_file(file: Path, wrong: Path, pe_validate: Callable[..., Done]) -> None:
    options = ("--model", MODEL, "--dir", GOLDENS, "--quiet")
    right = pe_validate("golden", file.name, *options)
    assert right.returncode == 0, right.stdout + right.stderr
    assert "passes loss" in right.stdout
    assert pe_validate("golden", wrong.name, *options).returncode == 1
    assert "never of files" in pe_validate("golden", file.name, "--update", *options).stderr


def test_a_phone_is_given_the_file_itself(file: Path, tmp_path: Path) -> None:
    files = {CASE: adopted(claimed(file, MODEL))}
    made = bundle([CASE], tmp_path / "out", GOLDENS, files=files, cache_dir=default_cache_dir())
    (artifact,) = made.artifacts
    assert artifact.sha256 == digest(tmp_path / "out" / artifact.file) == digest(file)


def test_fixtures_test_the_file_and_name_what_is_wrong_with_it(file: Path, wrong: Path, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "def test_mine(pe_verdicts, pe_artifact, pe_runtime, pe_reference):\n"
        "    assert pe_artifact.path.name in ('build.onnx', 'wrong.onnx')\n"
        "    assert pe_runtime.run(pe_reference.inputs[0].image).shape == (1, 64)\n"
        "    assert all(v.status == 'pass' for v in pe_verdicts), [v.sentence for v in pe_verdicts]\n"
    )
    options = ("-q", "--pe-model", MODEL, "--pe-require", "--pe-artifact")
    right = commands.pytest(*options, "build.onnx", folder=tmp_path)
    assert right.returncode == 0, right.stdout
    failed = commands.pytest(*options, "wrong.onnx", folder=tmp_path)
    assert failed.returncode == 1
    assert "PE-Nano/onnx/fp32 fails identity" in failed.stdout
    unnamed = commands.pytest("-q", "--pe-artifact", "build.onnx", folder=tmp_path)
    assert unnamed.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--pe-artifact: 'build.onnx' is a file" in unnamed.stdout + unnamed.stderr
