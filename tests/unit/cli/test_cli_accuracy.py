"""``pe-validate accuracy``: what artifacts recognise of labelled images, against PyTorch on the same ones."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import commands
import numpy as np
import pytest
from commands import Done
from labelled import CLASSES, images, write_archives, write_folders, write_table_of_classes
from safetensors.numpy import load_file, save_file

from pe_validate.inputs.cache import default_cache_dir
from pe_validate.models.perception_encoder.vision.nano import held_out
from pe_validate.models.registry import load_model, model_named
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run
from pe_validate.tasks.accuracy import Labelled, top1

COUNT = 200
TRAINED = ("--weights", "trained", "--quiet")


@pytest.fixture
def pe_validate(tmp_path: Path) -> Callable[..., Done]:
    return partial(commands.pe_validate, folder=tmp_path)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    write_table_of_classes(tmp_path / "classes.safetensors")
    return write_folders(tmp_path / "set", COUNT)


@pytest.fixture
def own_cache(tmp_path: Path) -> Path:
    """A cache with no features in it; artifacts are taken from the usual one."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for path in default_cache_dir().glob("*"):
        if path.is_dir() and path.name != "features":
            (folder / path.name).symlink_to(path)
    return folder


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "build" / "accuracy" / "accuracy.json").read_text())
    return found


def test_pytorch_and_an_artifact_recognise_what_the_held_out_images_say(
    pe_validate: Callable[..., Done], dataset: Path, tmp_path: Path
) -> None:
    done = pe_validate("accuracy", dataset, "PE-Nano/onnx/fp32", "--classes", "classes.safetensors", *TRAINED)
    assert done.returncode == 0, done.stderr
    eager, onnx = report_of(tmp_path)["rows"]
    every = held_out()
    first = Labelled(every.inputs[:COUNT], every.labels[:COUNT], every.classes)
    expected = top1(run(EagerRuntime(load_model("PE-Nano", "trained"), model_named("PE-Nano")), first.inputs), first)
    assert eager["top1"]["right"] / COUNT == pytest.approx(expected)
    assert eager["change"] is eager["outcome"] is None
    assert onnx["top1"]["right"] == eager["top1"]["right"]
    assert (onnx["change"]["points"], onnx["change"]["p"], onnx["change"]["lost"]) == (0, 1, [])
    assert "PE-Nano/onnx/fp32 loses 0.00 points against float32 (ONNX Runtime" in onnx["sentence"]
    markdown = (tmp_path / "build" / "accuracy" / "accuracy.md").read_text()
    assert f"| {onnx['case']['model']}/onnx/fp32 |" in markdown
    assert f"{COUNT} images of 10 classes in" in done.stdout
    again = f"pe-validate accuracy {dataset} PE-Nano/onnx/fp32 --weights trained --classes classes.safetensors"
    assert report_of(tmp_path)["command"] == again


def test_an_artifact_that_is_another_model_fails_and_names_the_images_that_it_loses(
    pe_validate: Callable[..., Done], dataset: Path, tmp_path: Path
) -> None:
    """The features of seeded weights, held to those of the trained model."""
    exported = pe_validate("export", "PE-Nano/pt2", "--out", "files", "--quiet")
    assert exported.returncode == 0, exported.stderr
    (file,) = (tmp_path / "files").iterdir()
    words = ("--model", "PE-Nano", "--classes", "classes.safetensors", *TRAINED)
    done = pe_validate("accuracy", dataset, file, *words)
    assert done.returncode == 1, done.stderr
    _, row = report_of(tmp_path)["rows"]
    assert row["outcome"] == "fail"
    assert len(row["change"]["lost"]) > COUNT / 2
    assert all((dataset / name).exists() for name in row["change"]["lost"])
    assert "only 0.5 points may be lost, because" in row["sentence"]


def features(cache: Path) -> dict[str, int]:
    """What is stored, and when it was written."""
    folder = cache / "features"
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}


def test_a_run_that_was_killed_goes_on_and_the_same_run_computes_nothing(
    pe_validate: Callable[..., Done], dataset: Path, own_cache: Path, tmp_path: Path
) -> None:
    asked = ("accuracy", str(dataset), "PE-Nano/pt2", "--classes", "classes.safetensors", *TRAINED)
    words = (*asked, "--jobs", "1", "--cache-dir", str(own_cache))
    command = [sys.executable, "-m", "pe_validate", *words]
    begun = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True)
    while not (own_cache / "features").exists() or not features(own_cache):
        assert begun.poll() is None
        time.sleep(0.01)
    os.killpg(begun.pid, signal.SIGKILL)
    begun.wait()
    kept = features(own_cache)
    done = pe_validate(*words)
    assert done.returncode == 0, done.stderr
    whole = features(own_cache)
    assert len(whole) == 8, "two answerers, four shards each"
    assert kept.items() <= whole.items(), "a finished shard was computed again"
    first = report_of(tmp_path)
    assert pe_validate(*words).returncode == 0
    assert features(own_cache) == whole
    assert report_of(tmp_path)["rows"] == first["rows"]


def test_images_that_cannot_be_read_are_named_and_counted(
    pe_validate: Callable[..., Done], dataset: Path, tmp_path: Path
) -> None:
    path = sorted(dataset.rglob("*.png"))[17]
    path.write_bytes(path.read_bytes()[:100])
    done = pe_validate("accuracy", dataset, "PE-Nano/pt2", "--classes", "classes.safetensors", *TRAINED)
    assert done.returncode == 0, done.stderr
    name = path.relative_to(dataset).as_posix()
    assert f"1 images could not be read and are not counted: '{name}'." in " ".join(done.stdout.split())
    report = report_of(tmp_path)
    assert list(report["broken"]) == [name]
    assert report["images"] == COUNT - 1


def test_means_of_a_training_set_and_heads_recognise_too(
    pe_validate: Callable[..., Done], dataset: Path, tmp_path: Path
) -> None:
    archives = write_archives(tmp_path / "archives", COUNT, 2)
    (tmp_path / "labels.txt").write_text("\n".join(CLASSES))
    labels = ("--labels", "labels.txt")
    done = pe_validate("accuracy", archives, "PE-Nano/pt2", "--means", dataset, *labels, *TRAINED)
    assert done.returncode == 0, done.stderr
    means = report_of(tmp_path)["rows"][0]["top1"]["right"]
    classes = load_file(tmp_path / "classes.safetensors")["embeddings"]
    save_file({"weight": 20 * classes, "bias": np.zeros(10, np.float32)}, tmp_path / "head.safetensors")
    done = pe_validate("accuracy", archives, "PE-Nano/pt2", "--head", "head.safetensors", *labels, *TRAINED)
    assert done.returncode == 0, done.stderr
    head = report_of(tmp_path)["rows"][0]["top1"]["right"]
    assert min(means, head) > 0.75 * COUNT


def write_captions(folder: Path, count: int) -> Path:
    """Captions of held-out images, as COCO has them: two of each image, a picture of one class in five."""
    (folder / "annotations").mkdir(parents=True)
    (folder / "val").mkdir()
    about: dict[str, list[dict[str, object]]] = {"images": [], "annotations": []}
    for number, (label, content) in enumerate(images(count)):
        (folder / "val" / f"{number}.png").write_bytes(content)
        about["images"].append({"id": 100 + number, "file_name": f"{number}.png"})
        for said in (f"a photo of a {CLASSES[label].lower()}.", f"the {CLASSES[label].lower()}, number {number}"):
            about["annotations"].append({"image_id": 100 + number, "caption": said})
    path = folder / "annotations" / "captions_val.json"
    path.write_text(json.dumps(about))
    return path


def test_images_and_captions_find_each_other(pe_validate: Callable[..., Done], tmp_path: Path) -> None:
    captions = write_captions(tmp_path / "coco", 40)
    words = ("--with", "PE-Nano-text/onnx/fp32")
    done = pe_validate("accuracy", captions, "PE-Nano/onnx/fp32", *words, *TRAINED)
    assert done.returncode == 0, done.stderr
    report = report_of(tmp_path)
    assert "40 images with 80 captions in" in done.stdout
    rows = {(row["case"]["target"], row["task"]): row for row in report["rows"]}
    assert len(rows) == 4
    for task, of in (("image to text", 40), ("text to image", 80)):
        assert rows["eager", task]["top1"]["of"] == of
        assert rows["onnx", task]["change"]["lost"] == rows["onnx", task]["change"]["won"] == []
    assert rows["eager", "text to image"]["top5"]["right"] > 80 / 10, "chance finds 5 of 40 images"


def test_labels_in_prompts_recognise_through_the_text_tower(
    pe_validate: Callable[..., Done], dataset: Path, tmp_path: Path
) -> None:
    """Zero-shot, by PyTorch and by the whole chain of a phone: the image's artifact and the text's."""
    (tmp_path / "labels.txt").write_text("\n".join(name.lower() for name in CLASSES))
    words = ("--labels", "labels.txt", "--with", "PE-Nano-text/onnx/fp32")
    done = pe_validate("accuracy", dataset, "PE-Nano/onnx/fp32", *words, *TRAINED)
    assert done.returncode == 0, done.stderr
    eager, onnx = report_of(tmp_path)["rows"]
    assert eager["top1"]["right"] >= 0.8 * COUNT
    assert onnx["change"]["lost"] == onnx["change"]["won"] == []
    assert "by zero-shot with 1 template, embedded for artifacts by PE-Nano-text/onnx/fp32." in " ".join(
        done.stdout.split()
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("nowhere", "PE-Nano/pt2"), 3, "There is no dataset at 'nowhere'."),
        (("set", "PE-Nano/pt2", "--labels", "many.txt"), 2, "There are 50000 labels for the 10 classes of 'set'."),
        (("set", "PE-Nano/pt2", "--labels", "named.txt"), 2, "The class '1 trouser' of 'set' has no label"),
        (("set", "PE-Nano/pt2", "--labels", "double.txt"), 2, "Two classes of 'set' have the label 'a'"),
        (("set", "PE-Core-T16-384/pt2", "--classes", "classes.safetensors"), 3, "do not fit PE-Core-T16-384"),
        (("set", "PE-Nano/pt2", "--classes", "few.safetensors"), 3, "'few.safetensors' has no class '0 T-shirt'"),
        (("set", "PE-Nano/pt2", "--head", "classes.safetensors"), 3, "is no head for PE-Nano and 10 classes"),
        (("set", "PE-Nano/pt2", "--head", "a", "--means", "b"), 2, "Choose one of --classes, --head, --means"),
        (("set", "PE-Spatial-T16-512/pt2"), 2, "PE-Spatial-T16-512 gives a feature for every patch"),
        (("set", "PE-Core-S16-384-text/pt2"), 2, "PE-Core-S16-384-text does not take one image"),
        (("broken", "PE-Nano/pt2", "--labels", "two.txt"), 3, "No image of 'broken' can be read"),
        (("bad.json", "PE-Nano/pt2"), 3, "'bad.json' cannot be read as captions"),
        (("bad.json", "PE-Nano/pt2", "--labels", "two.txt"), 2, "Captions are found by their texts"),
        (("set", "PE-Nano/pt2", "--images", "set"), 2, "--images is the folder of the images that captions"),
    ],
)
def test_a_mistake_is_one_sentence(
    pe_validate: Callable[..., Done], dataset: Path, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    (tmp_path / "many.txt").write_text("\n".join(map(str, range(50_000))))
    (tmp_path / "named.txt").write_text("0 T-shirt\tshirt\n")
    (tmp_path / "double.txt").write_text("\n".join("abcdefghia"))
    (tmp_path / "bad.json").write_text("{}")
    (tmp_path / "two.txt").write_text("a\nb\n")
    write_table_of_classes(tmp_path / "few.safetensors", [f"class {number}" for number in range(10)])
    for name in ("a", "b"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "x.jpg").write_bytes(b"no image")
    done = pe_validate("accuracy", *words, "--quiet")
    assert done.returncode == code, done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("pe-validate: "))
    assert said in line
    assert "Traceback" not in done.stderr
