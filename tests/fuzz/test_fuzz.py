"""Whatever bytes a file holds, it gives an answer or one sentence, in time, and nothing is written beside it.

Artifacts run behind the process boundary, where they may crash; what this process itself reads (checkpoints, goldens,
the cache, reports, photographs) may not crash it, which a child that stands in for it would show.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sample_reports as sample
import torch
from mutations import is_sentence, mutation
from PIL import Image
from places import GOLDENS
from safetensors.torch import save_file
from tiny_artifacts import CONFIG

from pe_validate.data.artifact import Artifact
from pe_validate.data.schema import schema
from pe_validate.goldens import golden
from pe_validate.inputs.images import open_photograph
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.perception_encoder.vision.config import NANO
from pe_validate.models.perception_encoder.vision.synthetic import seeded
from pe_validate.models.registry import load_weights
from pe_validate.report import stored as reports
from pe_validate.system.errors import PEValidateError, RunError
from pe_validate.system.process import Child
from pe_validate.targets import export as cache

FEW, MANY = 40, 2000
SECONDS = 30.0
"""For one mutation; most take a hundredth of one."""
ROOM = 4 * 2**30
PRELOAD = ("torch", __name__, "pe_validate.targets.onnx.runtime", "pe_validate.targets.xnnpack.runtime")
"""What every child that a mutation has killed is replaced with."""

OF_THE_KILLED = ("pe_validate-", "tmp", "torchinductor_")
"""Temporary folders of a child that a mutation has killed, and of torch."""

every_count = pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])


class Lasting:
    """A child that is replaced when a mutation has killed it."""

    def __init__(self) -> None:
        self._child: Child | None = None

    def __call__(self) -> Child:
        if self._child is None or not self._child.alive:
            self.close()
            self._child = Child(memory=ROOM, preload=PRELOAD)
        return self._child

    def close(self) -> None:
        if self._child:
            self._child.close()
        self._child = None


@pytest.fixture
def lasting() -> Iterator[Lasting]:
    made = Lasting()
    yield made
    made.close()


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to be in, in which nothing may appear."""
    here, home, temporary = (tmp_path / name for name in ("here", "home", "there/temporary"))
    for folder in (here, home, temporary):
        folder.mkdir(parents=True)
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("TMPDIR", str(temporary))  # of the children, which unpack there
    yield here
    assert not os.listdir(here)
    assert not os.listdir(home)
    assert os.listdir(temporary.parent) == ["temporary"]
    left = [path.name for path in temporary.iterdir() if not path.name.startswith(OF_THE_KILLED)]
    assert not left
    assert set(os.listdir(tmp_path)) <= {"here", "home", "there", "mutated"}


@every_count
@pytest.mark.parametrize(
    ("file", "target"), [("tiny.onnx", "onnx"), ("tiny.pte", "pte"), ("tiny.coreml.pte", "pte-coreml")]
)
def test_a_mutated_artifact_is_an_answer_or_one_sentence(
    tiny: Path, tmp_path: Path, alone: Path, lasting: Lasting, file: str, target: str, count: int
) -> None:
    folder = tmp_path / "mutated"
    folder.mkdir()
    path, content = folder / file, (tiny / file).read_bytes()
    image = np.zeros(CONFIG.input_shape, np.float32)
    answers = 0
    for index in range(count):
        path.write_bytes(mutation(content, file, index))
        try:
            IsolatedRuntime(path, target, "declared", child=lasting(), timeout=SECONDS).run(image)
            answers += 1
        except RunError as error:
            said = str(error)
            assert is_sentence(said), f"mutation {index} of {file}: {said!r}"
        assert os.listdir(folder) == [file], f"mutation {index} of {file} left something behind"
    assert 0 < answers < count, "mutations that are all harmless, or all refused, show nothing"


def read_checkpoint(path: Path) -> None:
    load_weights(NANO.name, f"file:{path}")


def read_golden(path: Path) -> None:
    golden.read(path.parent.parent if path.suffix == ".safetensors" else path.parent, NANO.name)


def read_entry(path: Path) -> None:
    cache._stored(path.parent)


def read_report(path: Path) -> None:
    sample.shown(reports.read(path.parent))


def read_photograph(path: Path) -> None:
    open_photograph(path)


def write_checkpoint(path: Path) -> None:
    tensors = seeded(NANO, 7)
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save({"state_dict": tensors}, path)


def write_golden(path: Path) -> None:
    shutil.copytree(GOLDENS, path.parent, dirs_exist_ok=True)


def write_entry(path: Path) -> None:
    path.write_bytes(schema(Artifact).dump_json(sample.artifact(sample.PTE), indent=1))


def write_report(path: Path) -> None:
    path.write_bytes(reports.to_json(sample.report(*sample.mixed().results, sample.measured())))


def write_photograph(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)).save(path)


FILES: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "model.pt": (write_checkpoint, read_checkpoint),
    "model.safetensors": (write_checkpoint, read_checkpoint),
    "manifest.json": (write_golden, read_golden),
    "artifact.json": (write_entry, read_entry),
    "report.json": (write_report, read_report),
    "photograph.png": (write_photograph, read_photograph),
    "photograph.jpg": (write_photograph, read_photograph),
    "photograph.webp": (write_photograph, read_photograph),
}


def outcome(read: Callable[[Path], None], path: Path) -> str:
    """What the process would print; nothing where it read the file."""
    try:
        read(path)
    except PEValidateError as error:
        return str(error)
    return ""


@every_count
@pytest.mark.parametrize("name", FILES)
def test_a_mutated_file_that_is_read_here_is_read_or_refused(
    tmp_path: Path, alone: Path, lasting: Lasting, name: str, count: int
) -> None:
    write, read = FILES[name]
    folder = tmp_path / "mutated"
    folder.mkdir()
    path = folder / name
    write(path)
    content, there = path.read_bytes(), sorted(os.listdir(folder))
    read_well = 0
    for index in range(count):
        path.write_bytes(mutation(content, name, index))
        said = lasting().call(outcome, SECONDS, read, path)  # a crash or anything but a PEValidateError is raised here
        assert not said or is_sentence(said), f"mutation {index} of {name}: {said!r}"
        read_well += not said
        assert sorted(os.listdir(folder)) == there
    assert read_well < count or name == "artifact.json", "a reader that refuses nothing was not tried"
