"""On a Ray cluster of two nodes, one of which is lost, the answers are those of one process, byte for byte."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from labelled import write_folders

from pe_validate.data.case import Case
from pe_validate.data.features import Features
from pe_validate.data.progress import quiet
from pe_validate.inputs.datasets import Dataset, dataset_at
from pe_validate.machines.answering import Answerer
from pe_validate.machines.cluster import Cluster
from pe_validate.machines.workers import Processes, Workers
from pe_validate.reference.shards import ShardStore
from pe_validate.system.errors import RunError
from pe_validate.targets.export import export
from pe_validate.walk.accuracy import Gatherer

COUNT = 1000


class Two:
    """A cluster of a head and a second node, with a CPU each."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Nodes

        self.cluster: Any = Nodes(initialize_head=True, head_node_args={"num_cpus": 1})
        self.second = self.cluster.add_node(num_cpus=1)
        self.address: str = self.cluster.address

    def lose_the_second(self) -> None:
        self.cluster.remove_node(self.second, allow_graceful=False)


@pytest.fixture
def nodes() -> Iterator[Two]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ray itself, while it is imported and ended
        import ray

        found = Two()
        yield found
        ray.shutdown()
        found.cluster.shutdown()


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return dataset_at(write_folders(tmp_path / "set", COUNT))


@pytest.fixture(scope="module")
def onnx() -> Answerer:
    artifact = export(Case("PE-Nano", "onnx", "fp32"))
    return Answerer(artifact.case, artifact.weights, artifact.sha256, 1, artifact.path)


def gathered(dataset: Dataset, workers: Workers, answerer: Answerer, folder: Path) -> tuple[Features, dict[str, bytes]]:
    """The features, and the files that they are kept in."""
    found = Gatherer(dataset, workers, ShardStore(folder), quiet).gather(answerer)
    return found, {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.safetensors")}


class LosingANode(Workers):
    """A cluster that loses its second node after a few answers."""

    def __init__(self, nodes: Two) -> None:
        self.nodes, self.threads, self.answered = nodes, 1, 0

    def answers(self, answerer: Answerer, shards: Any) -> Iterator[tuple[int, Features]]:
        for each in Cluster(self.nodes.address).answers(answerer, shards):
            self.answered += 1
            if self.answered == 3:
                self.nodes.lose_the_second()
            yield each


@pytest.mark.full
def test_a_lost_nodes_shards_are_answered_by_the_other_one_byte_for_byte(
    nodes: Two, dataset: Dataset, onnx: Answerer, tmp_path: Path
) -> None:
    _, expected = gathered(dataset, Processes(1, 1), onnx, tmp_path / "here")
    losing = LosingANode(nodes)
    _, found = gathered(dataset, losing, onnx, tmp_path / "there")
    assert losing.answered == len(dataset.shards) == len(found)
    assert found == expected


@pytest.mark.full
def test_a_file_that_cannot_be_loaded_is_the_same_sentence_on_a_cluster(
    nodes: Two, dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "PE-Nano-fp32.onnx"
    path.write_bytes(b"no model")
    broken = Answerer(Case("PE-Nano", "onnx", "fp32"), "seed:7", "0" * 64, 1, path)
    with pytest.raises(RunError, match=r"PE-Nano-fp32\.onnx"):
        list(Cluster(nodes.address).answers(broken, dataset.shards))


def test_no_cluster_is_a_sentence_at_once(dataset: Dataset, onnx: Answerer) -> None:
    with pytest.raises(RunError, match=r"There is no Ray cluster at '127\.0\.0\.1:1'"):
        list(Cluster("127.0.0.1:1").answers(onnx, dataset.shards))
