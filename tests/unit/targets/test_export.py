"""An artifact is made once, by one process, is never half there, and is never served when it was altered."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from exporting import start_export
from processes import PATIENCE, is_alive, wait_until
from safetensors.torch import save_file

import pe_validate
from pe_validate.case import MATRIX, Case
from pe_validate.data.artifact import Artifact
from pe_validate.inputs.cache import default_cache_dir
from pe_validate.models.registry import load_weights
from pe_validate.models.weights import Weights
from pe_validate.system.errors import ExportError
from pe_validate.system.files import digest, size
from pe_validate.targets.export import _key, _stored, export, place
from pe_validate.targets.registry import file_name, target_named

ONNX_TOOLS = {"torch": "2.13.0", "onnx": "1.21.0", "onnxscript": "0.7.0"}


def living_children(parent: int) -> set[int]:
    """Processes whose parent is ``parent`` and that are not zombies."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in listed.splitlines()]
    return {int(pid) for pid, ppid, state, *_ in rows if int(ppid) == parent and not state.startswith("Z")}


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``, by relative name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def break_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make ``import onnx`` run the given statement, in every child process started from now on."""

    def install(statement: str) -> None:
        package = tmp_path / "broken" / "onnx"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(statement)
        monkeypatch.syspath_prepend(tmp_path / "broken")
        # With another variable that Python reads, children come from a nursery that has not imported the real one.
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'broken'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    return install


@pytest.fixture
def entry(cache: Path, key: str, tmp_path: Path) -> Path:
    """A copy of the case's entry in a cache of its own, to be altered."""
    return shutil.copytree(cache / key, tmp_path / "cache" / key)


def test_two_processes_that_ask_at_once_get_the_one_export(raced: tuple[Path, list[Any]]) -> None:
    first, second = raced[1]
    assert first == second, "path, seconds, inode and time of the file"


def test_afterwards_there_is_the_entry_its_lock_and_nothing_half_made(cache: Path, key: str, case: Case) -> None:
    assert set(os.listdir(cache)) == {key, f"{key}.lock"}
    assert set(os.listdir(cache / key)) == {file_name(case), "artifact.json", "export.log"}


def test_an_artifact_says_what_it_is_and_what_made_it(
    artifact: Artifact, case: Case, weights: Weights, cache: Path, key: str
) -> None:
    assert artifact.path == cache / key / file_name(case)
    assert artifact.sha256 == digest(artifact.path)
    assert artifact.size == size(artifact.path) > 20_000_000
    assert [str(spec) for spec in artifact.inputs] == ["image: float32[1, 3, 384, 384]"]
    assert [str(spec) for spec in artifact.outputs] == ["features: float32[1, 512]"]
    assert (artifact.case, artifact.weights, artifact.weights_sha256) == (case, "seed:7", weights.sha256)
    assert artifact.tools == {name: version(name) for name in ("torch", "onnx", "onnx-ir", "onnxscript")}
    assert artifact.seconds > 0
    assert artifact.delegation is None


def test_a_second_call_is_served_from_the_cache_without_an_exporter(
    artifact: Artifact, case: Case, weights: Weights, cache: Path, break_onnx: Callable[[str], None]
) -> None:
    break_onnx("raise RuntimeError('the exporter was asked again')")
    before = artifact.path.stat()
    assert export(case, weights, cache) == artifact
    assert (artifact.path.stat().st_mtime_ns, artifact.path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_an_entry_that_was_moved_with_its_cache_is_still_served(
    entry: Path, artifact: Artifact, case: Case, weights: Weights, break_onnx: Callable[[str], None]
) -> None:
    break_onnx("raise RuntimeError('the exporter was asked again')")
    assert export(case, weights, entry.parent) == replace(artifact, path=entry / file_name(case))


def flip_a_byte(entry: Path, file: Path) -> None:
    with file.open("r+b") as stream:
        stream.seek(1_000_000)
        byte = stream.read(1)[0]
        stream.seek(1_000_000)
        stream.write(bytes([byte ^ 1]))


def a_folder_instead(entry: Path, file: Path) -> None:
    file.unlink()
    file.mkdir()


ALTERATIONS: dict[str, Callable[[Path, Path], object]] = {
    "one bit": flip_a_byte,
    "truncated": lambda entry, file: os.truncate(file, 1000),
    "longer": lambda entry, file: os.truncate(file, file.stat().st_size + 1),
    "artifact missing": lambda entry, file: file.unlink(),
    "artifact a folder": a_folder_instead,
    "description missing": lambda entry, file: (entry / "artifact.json").unlink(),
    "description empty": lambda entry, file: (entry / "artifact.json").write_bytes(b""),
    "description garbage": lambda entry, file: (entry / "artifact.json").write_bytes(b"\xff\x00{"),
    "description other": lambda entry, file: (entry / "artifact.json").write_bytes(b'{"path": "x"}'),
    "made by other code": lambda entry, file: (entry / "artifact.json").write_bytes(
        (entry / "artifact.json").read_bytes().replace(entry.name.encode(), b"0" * 32)
    ),
    "description half": lambda entry, file: os.truncate(entry / "artifact.json", 200),
    "entry missing": lambda entry, file: shutil.rmtree(entry),
}


def test_an_unaltered_entry_is_found(entry: Path, artifact: Artifact) -> None:
    found = _stored(entry)
    assert found == replace(artifact, path=entry / artifact.path.name)


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_entry_is_not_found(entry: Path, case: Case, alter: Callable[[Path, Path], object]) -> None:
    alter(entry, entry / file_name(case))
    assert _stored(entry) is None


def test_an_altered_artifact_is_made_again_and_never_served(
    entry: Path, case: Case, weights: Weights, break_onnx: Callable[[str], None]
) -> None:
    flip_a_byte(entry, entry / file_name(case))
    break_onnx("raise RuntimeError('the exporter was asked again')")
    with pytest.raises(ExportError) as failure:
        export(case, weights, entry.parent)
    log = entry.parent / f"{file_name(case)}.failed.log"
    cause = "RuntimeError: the exporter was asked again"
    assert str(failure.value) == f"Exporting {case} failed: {cause}; the exporter's output is in '{log}'."
    assert cause in log.read_text()


def test_an_exporter_that_crashes_is_one_sentence_with_its_log_and_leaves_no_entry(
    tmp_path: Path, case: Case, weights: Weights, key: str, break_onnx: Callable[[str], None]
) -> None:
    break_onnx("import os; os.write(1, b'the last words'); os.abort()")
    cache = tmp_path / "cache"
    with pytest.raises(ExportError) as failure:
        export(case, weights, cache)
    log = cache / f"{file_name(case)}.failed.log"
    cause = "its process was ended by SIGABRT"
    assert str(failure.value) == f"Exporting {case} failed: {cause}; the exporter's output is in '{log}'."
    assert "the last words" in log.read_text()
    assert set(os.listdir(cache)) == {log.name, f"{key}.lock"}


def test_weights_that_change_between_loading_and_exporting_are_refused(tmp_path: Path, case: Case) -> None:
    file, cache = tmp_path / "weights.safetensors", tmp_path / "cache"
    save_file(dict(load_weights(case.model, "seed:7").tensors), file)
    loaded = load_weights(case.model, f"file:{file}")
    save_file(dict(load_weights(case.model, "seed:8").tensors), file)
    with pytest.raises(ExportError) as failure:
        export(case, loaded, cache)
    assert str(failure.value) == f"The weights behind 'file:{file}' changed while {case} was being exported."
    assert [Path(name).suffix for name in os.listdir(cache)] == [".lock"]


def test_an_export_that_is_killed_leaves_no_entry_and_no_process(tmp_path: Path, case: Case, key: str) -> None:
    cache = tmp_path / "cache"
    with start_export(case, cache) as process:
        assert wait_until(lambda: list(cache.glob(f".{key}-*/{key}/export.log"))), "it never began"
        children = living_children(process.pid)
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)
    assert children
    assert wait_until(lambda: not any(map(is_alive, children)))
    assert not (cache / key).exists()
    assert _stored(cache / key) is None


@pytest.mark.parametrize("act", ["export", "place"])
@pytest.mark.parametrize("place_name", ["file", "file/below/it"])
def test_a_folder_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, case: Case, weights: Weights, artifact: Artifact, act: str, place_name: str
) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    folder = tmp_path / place_name
    with pytest.raises(ExportError) as failure:
        export(case, weights, folder) if act == "export" else place(artifact, folder)
    assert str(failure.value).startswith(f"Cannot write to '{folder}' (")
    assert "\n" not in str(failure.value)
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_keys_are_plain_file_names_and_every_case_has_its_own(weights: Weights) -> None:
    keys = {_key(case, weights, ONNX_TOOLS) for case in MATRIX}
    assert len(keys) == len(MATRIX)
    assert all(key.isalnum() for key in keys)


@pytest.mark.parametrize("tool", ONNX_TOOLS)
def test_another_version_of_a_tool_is_another_key(case: Case, weights: Weights, tool: str) -> None:
    assert _key(case, weights, ONNX_TOOLS | {tool: "0.0.1"}) != _key(case, weights, ONNX_TOOLS)


ALTER = """
import sys
from pathlib import Path
from pe_validate.case import Case
from pe_validate.system.sources import code_digest
from pe_validate.targets.export import _code
before = [_code(Case("PE-Nano", *kind.split("/"))) for kind in sys.argv[2:]]
with (Path("pe_validate") / sys.argv[1]).open("a") as source:
    source.write("#")
code_digest.cache_clear()
after = [_code(Case("PE-Nano", *kind.split("/"))) for kind in sys.argv[2:]]
print([one != other for one, other in zip(before, after)])
"""


CHANGES: dict[str, tuple[bool, bool, bool]] = {
    "models/perception_encoder/vision/deploy.py": (True, True, True),
    "models/perception_encoder/vision/tower.py": (True, True, True),
    "targets/recipes.py": (True, True, True),
    "targets/xnnpack/write.py": (False, True, False),
    "mil/inspection.py": (False, False, True),
}
"""Whether a change of a file is a change for ONNX, for XNNPACK's programs, and for Core ML's."""


@pytest.mark.parametrize(("changed", "for_whom"), CHANGES.items(), ids=CHANGES)
def test_other_code_is_another_key(tmp_path: Path, changed: str, for_whom: tuple[bool, bool, bool]) -> None:
    """So what other code has made is never looked at."""
    package = tmp_path / "pe_validate"
    shutil.copytree(Path(pe_validate.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", ALTER, changed, "onnx/fp32", "pte/fp32", "pte-coreml/fp32"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert done.stdout.strip() == str(list(for_whom))


def test_other_weights_are_another_key(case: Case, weights: Weights) -> None:
    assert _key(case, replace(weights, sha256="0" * 64), ONNX_TOOLS) != _key(case, weights, ONNX_TOOLS)


def test_the_same_weights_from_elsewhere_are_the_same_key(case: Case, weights: Weights) -> None:
    assert _key(case, replace(weights, spec="file:copy.pt"), ONNX_TOOLS) == _key(case, weights, ONNX_TOOLS)
    assert _key(case, weights, dict(reversed(ONNX_TOOLS.items()))) == _key(case, weights, ONNX_TOOLS)


@pytest.mark.parametrize("target", sorted({case.target for case in MATRIX}))
def test_every_target_has_tools_that_are_installed(target: str) -> None:
    assert all(version(tool) for tool in target_named(target).tools)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PE_VALIDATE_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path


@pytest.mark.parametrize("value", [None, ""])
def test_otherwise_it_is_the_users(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv("PE_VALIDATE_CACHE", raising=False)
    else:
        monkeypatch.setenv("PE_VALIDATE_CACHE", value)
    assert default_cache_dir() == platformdirs.user_cache_path("pe_validate")


def a_package(folder: Path, artifact: Artifact) -> Artifact:
    """Something shaped like an ``.mlpackage``."""
    case = Case("PE-Core-T16-384", "mlpackage", "fp16")
    path = folder / file_name(case)
    (path / "Data" / "weights").mkdir(parents=True)
    (path / "Manifest.json").write_bytes(b"{}")
    (path / "Data" / "weights" / "weight.bin").write_bytes(b"\x00\x01")
    return replace(artifact, case=case, path=path, sha256=digest(path), size=size(path))


def a_file(folder: Path, artifact: Artifact) -> Artifact:
    path = folder / file_name(artifact.case)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a model")
    return replace(artifact, path=path, sha256=digest(path), size=size(path))


def an_older_file(target: Path) -> None:
    target.write_bytes(b"an older model, and a longer one")


def an_older_folder(target: Path) -> None:
    (target / "Data").mkdir(parents=True)
    (target / "Data" / "of an older model").write_bytes(b"old")


@pytest.mark.parametrize("make", [a_file, a_package])
@pytest.mark.parametrize("name", [".", "new/folder"])
def test_placing_copies_the_artifact_under_its_cases_name(
    tmp_path: Path, artifact: Artifact, make: Callable[[Path, Artifact], Artifact], name: str
) -> None:
    source, out = make(tmp_path / "source", artifact), tmp_path / "out" / name
    before = contents(tmp_path / "source")
    placed = place(source, out)
    assert placed == replace(source, path=out / file_name(source.case))
    assert digest(placed.path) == source.sha256
    assert os.listdir(out) == [file_name(source.case)]
    assert contents(tmp_path / "source") == before


@pytest.mark.parametrize(
    ("make", "older"), [(a_file, an_older_file), (a_package, an_older_folder), (a_package, an_older_file)]
)
def test_placing_replaces_an_older_one_whole(
    tmp_path: Path,
    artifact: Artifact,
    make: Callable[[Path, Artifact], Artifact],
    older: Callable[[Path], None],
) -> None:
    source, out = make(tmp_path / "source", artifact), tmp_path / "out"
    out.mkdir()
    older(out / file_name(source.case))
    (out / "something else").write_bytes(b"kept")
    placed = place(source, out)
    assert digest(placed.path) == source.sha256
    assert set(os.listdir(out)) == {file_name(source.case), "something else"}


def test_placing_twice_is_placing_once(tmp_path: Path, artifact: Artifact) -> None:
    source = a_package(tmp_path / "source", artifact)
    placed = place(source, tmp_path / "out")
    assert place(placed, tmp_path / "out") == placed
    assert contents(tmp_path / "out") == contents(tmp_path / "source")


def test_a_folder_in_the_place_of_a_file_is_kept_and_is_one_sentence(tmp_path: Path, artifact: Artifact) -> None:
    source, out = a_file(tmp_path / "source", artifact), tmp_path / "out"
    an_older_folder(out / file_name(source.case))
    before = contents(out)
    with pytest.raises(ExportError, match="Cannot write to"):
        place(source, out)
    assert contents(out) == before


def test_a_placed_file_may_be_read_by_everyone(tmp_path: Path, artifact: Artifact) -> None:
    for make in (a_file, a_package):
        placed = place(make(tmp_path / make.__name__, artifact), tmp_path / "out")
        modes = {path.stat().st_mode & 0o044 for path in (placed.path, *placed.path.rglob("*"))}
        assert modes == {0o044}
