"""A stored answer is what was computed, for the very question that is asked, whole; or it is computed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from arrays import float32
from nano import case
from safetensors.numpy import save

from pe_validate.data.outputs import Outputs
from pe_validate.inputs.images import Sample
from pe_validate.reference import store as store_module
from pe_validate.reference.reference import Reference, reference
from pe_validate.reference.store import AnswerStore, Question, digest_of
from pe_validate.system.errors import FileError
from pe_validate.system.sources import code_digest
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.runtime import Given

RANDOM = np.random.default_rng(0)
INPUTS = tuple(Sample.of(name, RANDOM.uniform(-1, 1, (1, 3, 4, 4)).astype(np.float32)) for name in ("one", "two"))
CODE = ("pe_validate.data.counts",)
QUESTION = Question("a model", "a" * 64, "model", "", CODE, ("torch", "numpy"), INPUTS)
ANSWER = Outputs(
    "PyTorch eager",
    {"one": RANDOM.standard_normal((1, 8)).astype(np.float32), "two": float32([[np.nan, np.inf, -0.0, 1e-45]])},
)


@pytest.fixture
def store(tmp_path: Path) -> AnswerStore:
    return AnswerStore(tmp_path / "answers")


def same(found: Outputs | None, expected: Outputs) -> bool:
    if found is None or (found.producer, list(found.features)) != (expected.producer, list(expected.features)):
        return False
    pairs = [(found.features[name], value) for name, value in expected.features.items()]
    return all((a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()) for a, b in pairs)


def the_file(store: AnswerStore) -> Path:
    (file,) = store.folder.iterdir()
    return file


def test_what_is_read_is_what_was_computed_bit_for_bit(store: AnswerStore) -> None:
    assert store.read(QUESTION) is None
    store.write(QUESTION, ANSWER)
    assert same(store.read(QUESTION), ANSWER)
    assert the_file(store).name == f"{QUESTION.key}.safetensors"


OTHERWISE: dict[str, dict[str, object]] = {
    "another model": {"model": "another"},
    "other weights": {"weights_sha256": "b" * 64},
    "something else asked": {"asked": "lowered"},
    "another form": {"made_of": "linear, int8"},
    "other code": {"code": ("pe_validate.data.case",)},
    "more code": {"code": (*CODE, "pe_validate.data.case")},
    "another tool": {"tools": ("torch",)},
    "another value": {"inputs": (INPUTS[0], Sample.of("two", -INPUTS[1].image))},
    "another name": {"inputs": (INPUTS[0], Sample.of("three", INPUTS[1].image))},
    "another order": {"inputs": INPUTS[::-1]},
    "fewer inputs": {"inputs": INPUTS[:1]},
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE)
def test_another_question_has_another_key_and_no_answer(store: AnswerStore, change: dict[str, object]) -> None:
    other = replace(QUESTION, **change)  # type: ignore[arg-type]  # any of its fields
    store.write(QUESTION, ANSWER)
    assert other.key != QUESTION.key
    assert store.read(other) is None


@pytest.mark.parametrize(
    ("what", "value"),
    [("version", lambda name: "0.0.1"), ("cpu_identity", lambda: "another"), ("_threads", lambda: 99)],
)
def test_other_tools_another_cpu_or_more_threads_are_another_key(
    monkeypatch: pytest.MonkeyPatch, what: str, value: Callable[..., object]
) -> None:
    before = replace(QUESTION).key
    monkeypatch.setattr(store_module, what, value)
    assert replace(QUESTION).key != before


def test_code_that_was_changed_is_another_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = tmp_path / "their_model.py"
    source.write_text("SCALE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = replace(QUESTION, code=("their_model",)).key
    code_digest.cache_clear()
    assert replace(QUESTION, code=("their_model",)).key == before
    source.write_text("SCALE = 2\n")
    code_digest.cache_clear()
    assert replace(QUESTION, code=("their_model",)).key != before


def flip(position: int) -> Callable[[Path], object]:
    def change(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[position] ^= 1
        file.write_bytes(content)

    return change


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def replaced(old: bytes, new: bytes) -> Callable[[Path], object]:
    def change(file: Path) -> None:
        content = file.read_bytes()
        assert old in content
        file.write_bytes(content.replace(old, new))

    return change


ALTERATIONS: dict[str, Callable[[Path], object]] = {
    "last bit": flip(-1),
    "first value": flip(-64),
    "header": flip(40),
    "a name in the description": replaced(b"producer", b"Producer"),
    "the producer": replaced(b"PyTorch", b"PyThorn"),
    "length of the header": flip(0),
    "truncated": lambda file: os.truncate(file, file.stat().st_size - 4),
    "header alone": lambda file: os.truncate(file, 8),
    "empty": lambda file: os.truncate(file, 0),
    "longer": lambda file: os.truncate(file, file.stat().st_size + 1),
    "garbage": lambda file: file.write_bytes(b"garbage" * 100),
    "no description": lambda file: file.write_bytes(save({"0": np.zeros(1, np.float32)})),
    "a folder": a_folder,
}


@pytest.mark.parametrize("alter", ALTERATIONS.values(), ids=ALTERATIONS)
def test_an_altered_answer_is_none_and_may_be_stored_again(store: AnswerStore, alter: Callable[[Path], object]) -> None:
    store.write(QUESTION, ANSWER)
    file = the_file(store)
    alter(file)
    assert store.read(QUESTION) is None
    if file.is_file():
        store.write(QUESTION, ANSWER)
        assert same(store.read(QUESTION), ANSWER)


@pytest.mark.parametrize("about", ['"a word"', "[]", "1", "{}", '{"sha256": 5}', "{", "null"])
def test_a_description_of_another_shape_is_no_answer(store: AnswerStore, about: str) -> None:
    store.write(QUESTION, ANSWER)
    tensors = {str(number): value for number, value in enumerate(ANSWER.features.values())}
    the_file(store).write_bytes(save(tensors, {"about": about}))
    assert store.read(QUESTION) is None


def test_an_answer_of_another_question_under_this_name_is_not_taken_for_one_of_fewer_inputs(store: AnswerStore) -> None:
    """What a person who moves files about may do."""
    store.write(replace(QUESTION, inputs=INPUTS[:1]), replace(ANSWER, features={"one": ANSWER.features["one"]}))
    the_file(store).rename(store.folder / f"{QUESTION.key}.safetensors")
    assert store.read(QUESTION) is None


def test_nothing_is_left_half_written(store: AnswerStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(QUESTION, ANSWER)
    before = the_file(store).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match=r"Cannot write to .*No space left on device"):
        store.write(QUESTION, replace(ANSWER, producer="another"))
    assert the_file(store).read_bytes() == before


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(FileError, match="Cannot write to") as failure:
        AnswerStore(tmp_path / "file").write(QUESTION, ANSWER)
    assert "\n" not in str(failure.value)
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_inputs_are_told_apart_by_name_value_and_place() -> None:
    assert digest_of(INPUTS) == digest_of(tuple(Sample.of(each.name, each.image.copy("F")) for each in INPUTS))
    ambiguous = Sample.of("a\0b", INPUTS[0].image), Sample.of("a", INPUTS[0].image)
    assert len({digest_of(inputs) for inputs in (INPUTS, INPUTS[::-1], INPUTS[:1], (), ambiguous)}) == 5


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each inference of eager PyTorch."""
    found: list[str] = []
    compute = EagerRuntime.compute

    def record(self: EagerRuntime, given: Given, wanted: Sequence[int]) -> Given:
        found.append(self.producer)
        return compute(self, given, wanted)

    monkeypatch.setattr(EagerRuntime, "compute", record)
    return found


def small(store: AnswerStore) -> Reference:
    loaded = reference("PE-Nano", store=store)
    return replace(loaded, inputs=loaded.inputs[:2])


def test_a_reference_computes_once_and_another_process_reads_what_it_computed(
    store: AnswerStore, asked: list[str]
) -> None:
    first = small(store)
    trained, rewritten, lowered = (first.trained, first.rewritten(case("int8")), first.lowered(case("int8")))
    assert len(asked) == 6
    second = small(store)
    assert same(second.trained, trained)
    assert same(second.rewritten(case("int8")), rewritten)
    assert same(second.lowered(case("int8")), lowered)
    assert len(asked) == 6
    assert not same(replace(trained, producer=lowered.producer), lowered)


def test_other_weights_are_computed_anew(store: AnswerStore, asked: list[str]) -> None:
    first = small(store)
    other = reference("PE-Nano", "seed:8", store=store)
    found = replace(other, inputs=other.inputs[:2]).trained
    assert not same(found, first.trained)
    assert len(asked) == 4
