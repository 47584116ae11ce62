"""A golden of a text tower holds ids, and those of no other tokenizer."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from places import GOLDENS
from safetensors.numpy import load_file, save

from pe_validate.case import Case
from pe_validate.goldens import golden
from pe_validate.goldens.bundle import bundle
from pe_validate.goldens.inputs import StoredImages, StoredTokens, stored_inputs
from pe_validate.goldens.replay import replay
from pe_validate.inputs.cache import default_cache_dir
from pe_validate.inputs.feed import IntegerFeed
from pe_validate.models.base import Model
from pe_validate.models.perception_encoder.text import feed
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, NANO_TEXT
from pe_validate.models.perception_encoder.text.model import TEXT_MODELS, TextModel
from pe_validate.models.perception_encoder.text.tokenizer import tokenized
from pe_validate.models.perception_encoder.vision.model import VISION_MODELS
from pe_validate.models.registry import WITH_GOLDENS, model_named
from pe_validate.system.errors import GoldenError
from pe_validate.targets.export import export
from pe_validate.walk.check import claimed

MODEL = "PE-Nano-text"
CASE = Case(MODEL, "onnx", "fp32")
TYPED = '"a photo of a cat"'
TEXTS = tuple(name for name in WITH_GOLDENS if name.endswith("-text"))
Tensors = dict[str, np.ndarray]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(GOLDENS, tmp_path / "golden", ignore=lambda _, names: [n for n in names if "Sp" in n]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "Resources"
    bundle([CASE], out, GOLDENS, cache_dir=default_cache_dir())
    return out


def rewrite(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    """Change a golden, and its sha256 in the manifest."""
    path = folder / golden.read_manifest(folder).goldens[MODEL].file
    path.write_bytes(save({name: np.array(tensor) for name, tensor in change(load_file(path)).items()}))
    manifest = json.loads((folder / golden.MANIFEST).read_text())
    manifest["goldens"][MODEL]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (folder / golden.MANIFEST).write_text(json.dumps(manifest))


def another_id(tensors: Tensors) -> Tensors:
    tensors["tokens"][0, 2] += 1
    return tensors


@pytest.mark.parametrize("model", TEXTS)
def test_a_golden_of_a_text_tower_is_of_a_short_line_and_of_one_that_is_cut(model: str) -> None:
    entry, stored = golden.read_manifest(GOLDENS).goldens[model], golden.read(GOLDENS, model)
    short, cut = stored.inputs.values()
    assert short.dtype == cut.dtype == np.int32
    assert short.shape == cut.shape == (32,)
    assert np.count_nonzero(short) < 10
    assert np.count_nonzero(cut) == 32
    assert short.max() == cut[-1] == END_OF_TEXT
    assert entry.image_size is None
    assert entry.texts
    assert np.array_equal(tokenized(entry.texts, 32), np.stack([short, cut])), "Meta's ids are those of the texts"
    for sample, ids in zip(stored.samples, (short, cut), strict=True):
        assert np.array_equal(sample.values[0], ids[None])


def test_an_update_gives_the_committed_file_and_manifest_byte_for_byte(folder: Path) -> None:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    golden.update(folder, [MODEL, "PE-Nano"])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (folder / golden.read_manifest(folder).goldens[MODEL].file).unlink()
    golden.update(folder, [MODEL])
    stored, committed = golden.read(folder, MODEL), golden.read(GOLDENS, MODEL)
    assert golden.judge_model(MODEL, committed.outputs, stored.outputs).status == "pass", "another CPU rounds otherwise"
    assert [verdict.status for verdict in golden.check(folder, [MODEL])] == ["pass"]


def test_entries_of_images_say_nothing_of_texts() -> None:
    entries = json.loads((GOLDENS / golden.MANIFEST).read_text())["goldens"]
    assert all(("texts" in entry) is (model in TEXTS) for model, entry in entries.items())
    assert all(("image_size" in entry) is (model not in TEXTS) for model, entry in entries.items())


def test_other_ids_than_todays_are_noticed(folder: Path) -> None:
    rewrite(folder, another_id)
    with pytest.raises(GoldenError, match=f"'{TYPED}' has other token ids than the golden of {MODEL} .* at 2, where"):
        list(golden.check(folder, [MODEL]))
    golden.update(folder, [MODEL])
    assert golden.read_manifest(folder) == golden.read_manifest(GOLDENS), "an update replaces them"


def test_ids_of_another_tokenizer_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = feed.reference_lines()
    other = {line: [ids[0], ids[1] + 1, *ids[2:]] for line, ids in lines.items()}
    monkeypatch.setattr(feed, "reference_lines", lambda: other)
    before = lines["a photo of a cat"][1]
    with pytest.raises(GoldenError, match=f"the first at 1, where {before} became {before + 1}: every artifact"):
        list(golden.check(GOLDENS, [MODEL]))


def test_a_line_that_is_none_of_todays_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    others = dict(list(feed.reference_lines().items())[1:])
    monkeypatch.setattr(feed, "reference_lines", lambda: others)
    with pytest.raises(GoldenError, match=f"is of an input '{TYPED}', which is none of today's: run"):
        list(golden.check(GOLDENS, [MODEL]))


HOSTILE: dict[str, Callable[[Tensors], Tensors]] = {
    "images": lambda t: {"images": np.zeros((2, 64, 64, 3), np.uint8), "features": t["features"]},
    "another context": lambda t: t | {"tokens": t["tokens"][:, :7]},
    "wide ids": lambda t: t | {"tokens": t["tokens"].astype(np.int64)},
    "one line": lambda t: t | {"tokens": t["tokens"][:1]},
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_golden_of_other_tensors_is_refused(folder: Path, change: Callable[[Tensors], Tensors]) -> None:
    rewrite(folder, change)
    with pytest.raises(GoldenError, match="does not hold the inputs of its manifest"):
        golden.read(folder, MODEL)


def test_a_file_replays_the_ids(folder: Path, tmp_path: Path) -> None:
    file = Path(shutil.copyfile(export(CASE, cache_dir=default_cache_dir()).path, tmp_path / "build.onnx"))
    assert replay(GOLDENS, claimed(file, MODEL)).status == "pass"
    rewrite(folder, another_id)
    assert replay(folder, claimed(file, MODEL)).status == "fail", "other ids have other features"


def test_a_text_tower_is_bundled_with_its_golden(made: Path) -> None:
    section = json.loads((made / golden.MANIFEST).read_text())
    (artifact,) = section["bundle"]["artifacts"]
    assert artifact["input"] == {"name": "tokens", "shape": [1, 32], "dtype": "int32"}
    committed = json.loads((GOLDENS / golden.MANIFEST).read_text())
    assert section["goldens"] == {MODEL: committed["goldens"][MODEL]}
    assert golden.read(made, MODEL).inputs.keys() == golden.read(GOLDENS, MODEL).inputs.keys()


def test_what_a_phone_cannot_make_is_refused() -> None:
    vision, text = VISION_MODELS[0], TEXT_MODELS[-1]
    assert isinstance(stored_inputs(vision), StoredImages)
    assert isinstance(stored_inputs(text), StoredTokens)
    several: tuple[Model, ...] = (vision.of_batch(2), text.of_batch(2))
    for model in several:
        with pytest.raises(GoldenError, match=r"goldens hold square photographs, one by one, .* or one row of int32"):
            stored_inputs(model)


def test_integers_that_are_no_ids_have_no_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = TextModel(NANO_TEXT)
    given = {"counts": np.array([[1, 0, 5]], np.int32), "none": np.zeros((1, 3), np.int32)}
    monkeypatch.setattr(model, "feed", IntegerFeed((1, 3), "int32", (0, 5), given))
    kind = stored_inputs(model)
    assert kind.chosen() == ("counts", "none")
    assert kind.texts(kind.chosen()) is None
    assert kind.image_size is None
    assert np.array_equal(kind.sample("counts", kind.today()["counts"]).values[0], [[1, 0, 5]])


def test_ids_have_the_texts_of_their_lines_and_images_have_none() -> None:
    assert stored_inputs(model_named(MODEL)).texts((TYPED,)) == ("a photo of a cat",)
    assert stored_inputs(model_named("PE-Nano")).texts(("china",)) is None
