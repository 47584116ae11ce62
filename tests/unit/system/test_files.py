"""A file is replaced whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pe_validate.system.files import replace_file


@pytest.mark.parametrize("content", [b"", b"new", b"\x00\xff" * 100_000], ids=["empty", "text", "large"])
@pytest.mark.parametrize("before", [None, b"old and longer than new"], ids=["absent", "present"])
def test_the_file_then_holds_exactly_the_content(tmp_path: Path, content: bytes, before: bytes | None) -> None:
    path = tmp_path / "file.json"
    if before is not None:
        path.write_bytes(before)
    replace_file(path, content)
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["file.json"]


def test_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "one" / "two" / "file.json"
    replace_file(path, b"content")
    assert path.read_bytes() == b"content"


def test_everyone_may_read_the_file(tmp_path: Path) -> None:
    replace_file(tmp_path / "file.json", b"content")
    assert (tmp_path / "file.json").stat().st_mode & 0o777 == 0o644


def test_a_reader_who_has_the_old_file_open_keeps_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b"the old content")
    with path.open("rb") as reader:
        replace_file(path, b"new")
        assert reader.read() == b"the old content"


def test_a_failure_leaves_what_was_there_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()
    (path / "kept").write_bytes(b"kept")
    with pytest.raises(OSError, match="taken"):
        replace_file(path, b"content")
    assert os.listdir(tmp_path) == ["taken"]
    assert (path / "kept").read_bytes() == b"kept"


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OSError, match="file"):
        replace_file(tmp_path / "file" / "below.json", b"content")
    assert (tmp_path / "file").read_bytes() == b"kept"
