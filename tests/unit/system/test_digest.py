"""A digest is the identity of a file's or folder's content, and of nothing else."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pe_validate.system.files import digest, size

names = st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=2).map("/".join)
trees = st.dictionaries(names, st.binary(max_size=3), max_size=4).filter(
    lambda tree: not any(other.startswith(f"{name}/") for name in tree for other in tree)
)
"""Contents of a small folder by relative name; no name is a file and a folder at once."""


def write(folder: Path, tree: dict[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@settings(max_examples=200)
@given(trees, trees)
@example({"a": b"", "b": b"x"}, {"a": b"x", "b": b""})
@example({"a/b": b"x"}, {"ab": b"x"})
def test_folders_have_the_same_digest_exactly_when_they_have_the_same_files(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        first, second = (write(Path(scratch) / name, tree) for name, tree in [("first", one), ("second", other)])
        assert (digest(first) == digest(second)) == (one == other)


@settings(max_examples=50)
@given(trees)
def test_the_order_in_which_files_were_written_does_not_matter(tree: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        forth = write(Path(scratch) / "forth", tree)
        back = write(Path(scratch) / "back", dict(reversed(tree.items())))
        assert digest(forth) == digest(back)
        assert size(forth) == size(back) == sum(map(len, tree.values()))


@pytest.mark.parametrize("content", [b"", b"model", b"\x00" * 3_000_000], ids=["empty", "small", "large"])
def test_the_digest_of_a_file_is_its_sha256_under_any_name(tmp_path: Path, content: bytes) -> None:
    for name in ("one.onnx", "two.pte"):
        (tmp_path / name).write_bytes(content)
        assert digest(tmp_path / name) == hashlib.sha256(content).hexdigest()
        assert size(tmp_path / name) == len(content)
