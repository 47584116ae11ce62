"""Stored features are read as they were written, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pe_validate.data.features import Features
from pe_validate.reference.shards import ShardStore
from pe_validate.system.errors import FileError

FOUND = Features(
    "ONNX Runtime",
    ("a/1.png", "b/\N{SNOWMAN}.png"),
    np.array([0, 1]),
    np.array([[1, np.nan], [3, 4]], np.float32),
    {"a/2.png": "it is damaged"},
)


def test_features_are_read_as_they_were_written(tmp_path: Path) -> None:
    store = ShardStore(tmp_path)
    store.write("asked", "shard", FOUND)
    read = store.read("asked", "shard")
    assert read
    assert (read.producer, read.names, read.broken) == (FOUND.producer, FOUND.names, FOUND.broken)
    np.testing.assert_array_equal(read.values, FOUND.values)
    np.testing.assert_array_equal(read.labels, FOUND.labels)
    assert store.read("asked", "another shard") is store.read("another", "shard") is None


def test_what_is_damaged_is_not_read(tmp_path: Path) -> None:
    store = ShardStore(tmp_path)
    store.write("asked", "shard", FOUND)
    (path,) = (each for each in tmp_path.rglob("*") if each.is_file())
    content = path.read_bytes()
    for number in range(0, len(content), 7):
        path.write_bytes(content[:number] + bytes([content[number] ^ 1]) + content[number + 1 :])
        damaged = store.read("asked", "shard")
        assert damaged is None or np.array_equal(damaged.values, FOUND.values, equal_nan=True)
        path.write_bytes(content[:number])
        assert store.read("asked", "shard") is None


def test_a_disk_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="what is done is kept there; free some space"):
        ShardStore(tmp_path / "file").write("asked", "shard", FOUND)
