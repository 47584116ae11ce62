"""Where a report comes from: the file, the configuration and the commit."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import sample_reports as sample

from pe_validate.data.provenance import Commit, File
from pe_validate.report.provenance import commit_of, configuration, file_at
from pe_validate.system.files import digest


def git(folder: Path, *words: str) -> str:
    options = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *options, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "one")
    return tmp_path


def test_the_commit_is_that_of_the_folder(repository: Path) -> None:
    sha = git(repository, "rev-parse", "HEAD").strip()
    assert commit_of(repository) == Commit(sha, True)
    (repository / "below").mkdir()
    assert commit_of(repository / "below") == Commit(sha, True)


def test_edits_to_what_is_tracked_are_said_and_other_files_are_not(repository: Path) -> None:
    (repository / "other").touch()
    (repository / "a").mkdir()
    assert commit_of(repository / "a") == Commit(git(repository, "rev-parse", "HEAD").strip(), True)
    (repository / "file").write_text("2")
    found = commit_of(repository)
    assert found
    assert not found.clean
    assert str(found).endswith(", with edits")


def test_without_a_repository_a_commit_or_git_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for name in "ab":
        (tmp_path / name).mkdir()
    assert commit_of(tmp_path / "a") is None
    git(tmp_path / "a", "init", "--quiet")
    commit_of.cache_clear()
    assert commit_of(tmp_path / "a") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert commit_of(tmp_path / "b") is None


def test_a_file_and_a_folder_are_known_by_digest_and_size(tmp_path: Path) -> None:
    (tmp_path / "a.mlpackage").mkdir()
    (tmp_path / "a.mlpackage" / "weights").write_bytes(b"123")
    (tmp_path / "a.onnx").write_bytes(b"12345")
    for name, size in (("a.mlpackage", 3), ("a.onnx", 5)):
        assert file_at(tmp_path / name) == File(tmp_path / name, digest(tmp_path / name), size)


@pytest.mark.parametrize("name", ["missing", "x" * 5000, "pipe", "loop"])
def test_what_cannot_be_read_has_no_identity(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    assert file_at(tmp_path / name) is None


def test_the_configuration_is_named_in_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pe-validate.toml"
    path.write_text("")
    assert configuration() == (File(path, digest(path), 0),)
    assert sample.report().configuration == configuration()


def test_the_file_of_a_check_is_named_in_the_first_lines() -> None:
    from dataclasses import replace

    result = replace(sample.passing(), judged=File(Path("/a/b.onnx"), "d" * 64, 1234))
    said = f"{sample.ONNX} is the file '/a/b.onnx' of 1,234 bytes, sha256 {'d' * 64}."
    assert said in sample.report(result).headlines
