"""The command line: what a user types, what comes out, and which exit code."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import commands
import pytest
import sample_reports as sample
import torch
from commands import Done
from places import FIXTURES

from pe_validate.case import MATRIX, Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.result import Result
from pe_validate.models.perception_encoder.text.config import TEXT_CONFIGS
from pe_validate.models.perception_encoder.vision.config import MODELS
from pe_validate.models.registry import load_weights
from pe_validate.report.render import write

MODEL = "PE-Core-T16-384"


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    return partial(commands.pe_validate, folder=tmp_path)


@pytest.mark.parametrize("start", [("-m", "pe_validate"), ("-c", "from pe_validate.cli.main import main; main()")])
def test_an_interpreter_of_its_own_does_the_same_as_a_fork(
    pe_validate: Callable[..., Done], tmp_path: Path, start: tuple[str, str]
) -> None:
    """What other tests here type is read by forks, for the time that a new interpreter takes."""
    for arguments in (("list", "PE-Nano"), ("report",), ("fly",), ("check", "missing.onnx", "--model", MODEL)):
        command = [sys.executable, *start, *arguments]
        new = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        fork = pe_validate(*arguments)
        assert (fork.returncode, fork.stdout) == (new.returncode, new.stdout)
        assert fork.stderr.splitlines()[-1:] == new.stderr.splitlines()[-1:]


def assert_one_sentence(done: Done, code: int, *words: str) -> None:
    """Exit ``code``; the last line on stderr is the error, and nothing on it is a traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("pe-validate: ")]
    assert len(said) == 1, done.stderr
    assert all(word in said[0] for word in words), said[0]


def test_help_shows_what_stands_in_brackets(pe_validate: Callable[..., Done]) -> None:
    said = " ".join(pe_validate("run", "--help").stdout.split())
    assert "hf:REPO[@REVISION][:FILE]" in said
    assert "[default: the user's cache folder]" in said


def test_check_names_an_unknown_model_before_it_reads_the_file(pe_validate: Callable[..., Done]) -> None:
    assert_one_sentence(pe_validate("check", "missing.onnx", "--model", "pe-nano"), 2, "Did you mean 'PE-Nano'?")


def test_list_prints_the_matrix(pe_validate: Callable[..., Done]) -> None:
    assert pe_validate("list").stdout.splitlines() == [str(case) for case in MATRIX]


def test_a_prefix_selects_many(pe_validate: Callable[..., Done]) -> None:
    listed = json.loads(pe_validate("list", "PE-Spatial-T16-512/mlpackage/fp", "*/onnx/fp32", "--json").stdout)
    chosen = {row["case"] for row in listed}
    assert {case for case in chosen if "mlpackage" in case} == {
        "PE-Spatial-T16-512/mlpackage/fp16",
        "PE-Spatial-T16-512/mlpackage/fp32",
    }
    assert sum("onnx" in case for case in chosen) == len(MODELS) + len(TEXT_CONFIGS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "PE-Core-X16-384"),
        ("run", f"{MODEL}/tflite"),
        ("export", "nothing", "--out", "out"),
        ("run", f"{MODEL}/onnx", "--weights", "imagenet"),
        ("check", "model.tflite", "--model", MODEL),
        ("check", "missing.onnx", "--model", MODEL),
        ("check", "model.onnx", "--model", "PE-Core-X"),
        ("check", "model.onnx", "--model", MODEL, "--precision", "int3"),
        ("latency", "PE-Core-X"),
        ("check", ".", "--model", MODEL),
        ("check", "program.pte-coreml", "--model", MODEL),
        ("golden", "--check", "--update"),
        ("report", "--markdown", "--table"),
        ("report", "--table", "--json"),
        ("report", "--schema", "--json"),
        ("arm64", "run", f"{MODEL}/onnx"),
        ("arm64", "run", f"{MODEL}/pte", "--profile", "iphone-3"),
        ("arm64", "setup", "--profile", "iphone-3"),
    ],
    ids=" ".join,
)
def test_a_request_that_means_nothing_exits_2(pe_validate: Callable[..., Done], arguments: tuple[str, ...]) -> None:
    assert_one_sentence(pe_validate(*arguments), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "--no-such-option"),
        ("fly",),
        ("check", "model.onnx"),
        ("arm64", "run"),
        ("latency", "--threads", "9999999999999999"),
        ("latency", "--rounds", "9999999999999999"),
    ],
    ids=" ".join,
)
def test_a_mistyped_option_exits_2(pe_validate: Callable[..., Done], arguments: tuple[str, ...]) -> None:
    done = pe_validate(*arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_truncated_checkpoint_exits_3(pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"proj": torch.ones(100)}, path)
    os.truncate(path, path.stat().st_size // 2)
    assert_one_sentence(
        pe_validate("run", f"{MODEL}/onnx", "--weights", f"file:{path}"), 3, "checkpoint.pt", "truncated"
    )


def test_a_checkpoint_of_another_model_exits_3(pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    torch.save(load_weights("PE-Spatial-T16-512").tensors, tmp_path / "spatial.pt")
    done = pe_validate("run", f"{MODEL}/onnx", "--weights", f"file:{tmp_path}/spatial.pt")
    assert_one_sentence(done, 3, "is not a PE-Core-T16-384", "missing proj")


@pytest.mark.parametrize("suffix", ["onnx", "pte"])
@pytest.mark.parametrize("content", [b"", b"not a model at all", None], ids=["empty", "text", "truncated"])
def test_a_damaged_artifact_exits_3(
    pe_validate: Callable[..., Done],
    tmp_path: Path,
    artifact: Callable[[str], Artifact],
    suffix: str,
    content: bytes | None,
) -> None:
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(artifact(suffix).path.read_bytes()[:100_000] if content is None else content)
    assert_one_sentence(pe_validate("check", path, "--model", MODEL), 3, f"damaged.{suffix}")


def test_a_package_without_its_weights_exits_3(
    pe_validate: Callable[..., Done], tmp_path: Path, artifact: Callable[[str], Artifact]
) -> None:
    path = tmp_path / "bare.mlpackage"
    shutil.copytree(artifact("mlpackage").path, path)
    next(path.rglob("weight.bin")).unlink()
    assert_one_sentence(pe_validate("check", path, "--model", MODEL), 3, "bare.mlpackage", "weight.bin")


@pytest.mark.parametrize(
    "arguments",
    [("run", f"{MODEL}/onnx", "--report", "file/report"), ("export", f"{MODEL}/onnx", "--out", "file/out")],
    ids=["report", "artifacts"],
)
def test_an_unwritable_folder_exits_3(
    pe_validate: Callable[..., Done], tmp_path: Path, cache: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "file").write_text("a file where a folder should be")
    assert_one_sentence(pe_validate(*arguments, "--cache-dir", cache), 3, "Cannot write", "'file/")


def test_goldens_of_a_checkpoint_are_made_and_checked_when_it_is_named(
    pe_validate: Callable[..., Done], tmp_path: Path
) -> None:
    torch.save(load_weights("PE-Nano", "seed:8").tensors, tmp_path / "mine.pt")
    named = ("--weights", "file:mine.pt")
    for arguments in (("--update", *named), ("--check", *named)):
        done = pe_validate("golden", "PE-Nano", *arguments)
        assert done.returncode == 0, done.stderr
    assert_one_sentence(pe_validate("golden", "PE-Nano"), 3, "made with 'file:mine.pt'", "--weights")
    other = pe_validate("golden", "PE-Nano", "--weights", "seed:7")
    assert_one_sentence(other, 3, "made with other weights than 'seed:7'")


LONG = "x" * 5000


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", f"{LONG}.onnx", "--model", MODEL),
        ("check", f"{LONG}.pte", "--model", MODEL),
        ("explain", LONG),
        ("coreai", "inspect", f"{LONG}.aimodel"),
        ("coreml", "inspect", f"{LONG}.mlpackage"),
        ("coreml", "inspect", f"{LONG}.pte"),
        ("run", f"{MODEL}/onnx", "--weights", f"file:{LONG}.safetensors"),
        ("export", f"{MODEL}/onnx", "--weights", f"file:{LONG}.pt", "--out", "out"),
    ],
    ids=lambda arguments: " ".join(arguments).replace(LONG, "long"),
)
def test_a_name_that_the_system_refuses_exits_3_and_is_the_one_that_is_blamed(
    pe_validate: Callable[..., Done], arguments: tuple[str, ...]
) -> None:
    assert_one_sentence(pe_validate(*arguments), 3, f"'{LONG}", "File name too long")


@pytest.mark.parametrize("suffix", ["onnx", "pte"])
def test_a_name_that_is_not_utf_8_exits_3(
    pe_validate: Callable[..., Done], tmp_path: Path, artifact: Callable[[str], Artifact], suffix: str
) -> None:
    path = tmp_path / os.fsdecode(b"a\xff." + suffix.encode())
    shutil.copyfile(artifact(suffix).path, path)
    assert_one_sentence(pe_validate("check", path, "--model", MODEL), 3, rf"a\udcff.{suffix}'", "UTF-8")


def test_a_photograph_whose_name_is_not_utf_8_is_reported(
    pe_validate: Callable[..., Done], tmp_path: Path, artifact: Callable[[str], Artifact]
) -> None:
    (tmp_path / "photographs").mkdir()
    photograph = next((FIXTURES / "images").glob("*.jpg"))
    shutil.copyfile(photograph, tmp_path / "photographs" / os.fsdecode(b"a\xff.jpg"))
    done = pe_validate("check", artifact("onnx").path, "--model", MODEL, "--images", "photographs")
    assert done.returncode == 0, done.stderr
    assert r"a\\udcff" in (tmp_path / "build/report/report.json").read_text()


def test_a_file_of_someone_else_in_the_report_folder_is_not_taken_away(
    pe_validate: Callable[..., Done], tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/junit.xml").write_text("mine")
    assert_one_sentence(pe_validate("run", f"{MODEL}/onnx", "--report", "mine"), 3, "mine/junit.xml")
    assert (tmp_path / "mine/junit.xml").read_text() == "mine"


def test_a_missing_golden_exits_3(pe_validate: Callable[..., Done]) -> None:
    assert_one_sentence(pe_validate("golden", MODEL), 3, "No goldens in 'golden'")


def test_a_missing_report_exits_3(pe_validate: Callable[..., Done]) -> None:
    assert_one_sentence(pe_validate("report"), 3, "make one with 'pe-validate run'")


@pytest.mark.parametrize("results", [(sample.passing(sample.ONNX),), (sample.failing(sample.ONNX),)])
def test_a_reader_that_leaves_changes_no_exit_code(tmp_path: Path, results: tuple[Result, ...]) -> None:
    report = sample.report(*results)
    write(report, tmp_path / "made")
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pe_validate", "report", "made"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (report.exit_code, "")


def test_run_writes_a_report_that_report_prints_again(
    pe_validate: Callable[..., Done], tmp_path: Path, cache: Path, artifact: Callable[[str], Artifact]
) -> None:
    artifact("onnx")
    done = pe_validate("run", f"{MODEL}/onnx", "--cache-dir", cache, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {verdict["status"] for verdict in found["results"][0]["verdicts"]} == {"pass"}
    assert found["results"][0]["weights_sha256"] == load_weights(MODEL).sha256
    assert "export" in done.stderr, "progress goes to stderr"
    again = pe_validate("report", "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, found)
    assert f"| {MODEL}/onnx/fp32 | fidelity | pass |" in (tmp_path / "build/report/report.md").read_text()


@pytest.mark.parametrize("target", ["onnx", "pte", "mlpackage"])
def test_check_knows_a_model_from_its_stranger(
    pe_validate: Callable[..., Done], artifact: Callable[..., Artifact], target: str
) -> None:
    model = "PE-Nano"
    path = artifact(target, model).path
    same = pe_validate("check", path, "--model", model)
    assert same.returncode == 0, same.stdout + same.stderr
    other = pe_validate("check", path, "--model", model, "--weights", "seed:8")
    assert other.returncode == 1, other.stdout + other.stderr
    assert "fails identity" in " ".join(other.stdout.split())


def test_export_names_files_by_their_case(
    pe_validate: Callable[..., Done], tmp_path: Path, cache: Path, artifact: Callable[[str], Artifact]
) -> None:
    made = artifact("onnx")
    done = pe_validate("export", f"{MODEL}/onnx", "--out", "out", "--cache-dir", cache, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["sha256"] == made.sha256
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"{MODEL}-fp32.onnx"]


@pytest.fixture(scope="session")
def cache() -> Path:
    """The user's own cache, where the conversion suite looks too: T16 is exported once for both."""
    from pe_validate.inputs.cache import default_cache_dir

    return default_cache_dir()


@pytest.fixture(scope="session")
def artifact(cache: Path) -> Callable[..., Artifact]:
    from pe_validate.targets.export import export

    precisions = {"onnx": "fp32", "pte": "fp32", "mlpackage": "fp16"}
    return lambda target, model=MODEL: export(Case(model, target, precisions[target]), load_weights(model), cache)


def test_export_says_what_it_took_of_a_checkpoint_and_ema_chooses(
    pe_validate: Callable[..., Done], tmp_path: Path
) -> None:
    model, average = (load_weights("PE-Nano", spec).tensors for spec in ("seed:0", "seed:1"))
    torch.save({"model": model, "ema": average, "epoch": 3}, tmp_path / "both.pt")
    where = ("--out", "out", "--cache-dir", "cache")
    for words, taken, left in (((), "model", "ema"), (("--ema",), "ema", "model")):
        done = pe_validate("export", "PE-Nano/pt2", "--weights", "file:both.pt", *words, *where, "--json")
        assert f"PE-Nano/pt2/fp32  Weights are the tensors under '{taken}'." in done.stderr
        assert f"Left alone: the tensors under '{left}'" in done.stderr
        (made,) = json.loads(done.stdout)
        assert made["weights"] == f"file:both.pt{'+ema' * bool(words)}"
