"""Processes side by side answer as one alone does, and one that dies is a sentence."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled import write_folders

from pe_validate.data.case import Case, itself
from pe_validate.inputs.datasets import Dataset, dataset_at
from pe_validate.machines import answering
from pe_validate.machines.answering import Answerer, Asked
from pe_validate.machines.workers import Processes
from pe_validate.models.registry import load_weights
from pe_validate.system.errors import LoadError, RunError

PYTORCH = Answerer(itself("PE-Nano"), "seed:7", load_weights("PE-Nano").sha256, threads=1)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return dataset_at(write_folders(tmp_path / "set", 150))


def test_two_processes_answer_each_shard_as_one_does(dataset: Dataset) -> None:
    alone = Asked(PYTORCH)
    found = dict(Processes(2, 1).answers(PYTORCH, dataset.shards))
    assert sorted(found) == [0, 1, 2]
    for number, shard in enumerate(dataset.shards):
        expected = alone.answer(shard)
        assert found[number].names == expected.names == tuple(item.name for item in shard.items())
        np.testing.assert_array_equal(found[number].values, expected.values)
        np.testing.assert_array_equal(found[number].labels, expected.labels)


def test_what_decides_an_answer_decides_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {PYTORCH.key, replace(PYTORCH, identity="other").key, replace(PYTORCH, threads=2).key}
    keys |= {replace(PYTORCH, path=Path("a.onnx"), case=Case("PE-Nano", "onnx", "fp32")).key}
    monkeypatch.setattr(answering, "version", lambda name: "another")
    assert len(keys | {PYTORCH.key}) == 5


def test_weights_that_are_others_by_now_are_refused(dataset: Dataset) -> None:
    with pytest.raises(LoadError, match="The weights 'seed:7' changed while PE-Nano was asked"):
        list(Processes(1, 1).answers(replace(PYTORCH, identity="0" * 64), dataset.shards))


def test_an_artifact_that_ends_its_process_is_a_sentence(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "PE-Nano-fp32.pte"
    path.write_bytes(os.urandom(64))
    broken = Answerer(Case("PE-Nano", "pte", "fp32"), "seed:7", "0" * 64, 1, path)
    with pytest.raises(RunError, match=f"'{path}'"):
        list(Processes(2, 1).answers(broken, dataset.shards))
