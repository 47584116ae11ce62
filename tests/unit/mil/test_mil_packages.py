"""A broken, hostile or unsupported package is refused when it is loaded, by one sentence that names it."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_editing import MODEL, WEIGHTS, Mutation, block, edit, manifest, operation, poke, root_path, weights

from pe_validate.mil import load
from pe_validate.mil.inspection import inspect
from pe_validate.system.errors import RunError


def link_outside(path: Path) -> None:
    shutil.copy(path / WEIGHTS, path.parent / "stolen.bin")
    (path / WEIGHTS).unlink()
    os.symlink(path.parent / "stolen.bin", path / WEIGHTS)


def reference(name: str) -> Mutation:
    def change(specification: Any) -> None:
        for found in block(specification).operations:
            if found.attributes["val"].WhichOneof("value") == "blobFileValue":
                found.attributes["val"].blobFileValue.fileName = name

    return edit(change)


def bind(kind: str, key: str, value: str) -> Mutation:
    return edit(lambda s: setattr(operation(s, kind).inputs[key].arguments[0], "name", value))


def rename_argument(specification: Any) -> None:
    found = operation(specification, "relu")
    found.inputs["speed"].CopyFrom(found.inputs["x"])


def duplicate(specification: Any) -> None:
    block(specification).operations.add().CopyFrom(operation(specification, "relu"))


def neural_network(specification: Any) -> None:
    specification.ClearField("mlProgram")
    specification.neuralNetwork.SetInParent()


def stateful(specification: Any) -> None:
    specification.description.state.add(name="cache").type.stateType.SetInParent()


def flexible(specification: Any) -> None:
    array = specification.description.input[0].type.multiArrayType
    array.shapeRange.sizeRanges.add(lowerBound=1, upperBound=9)


def resize_constant(specification: Any) -> None:
    value = operation(specification, "const").attributes["val"]
    value.type.tensorType.dimensions[0].constant.size = 2**20


def endless(specification: Any) -> None:
    operation(specification, "relu").outputs[0].type.tensorType.dimensions[0].constant.size = 2**62


def float8(specification: Any) -> None:
    operation(specification, "relu").outputs[0].type.tensorType.dataType = 40


BROKEN = [
    ("absent", shutil.rmtree, "does not exist"),
    ("no-manifest", lambda path: (path / "Manifest.json").unlink(), "unreadable Manifest.json"),
    ("garbled-manifest", lambda path: (path / "Manifest.json").write_text("{"), "unreadable Manifest.json"),
    ("binary-manifest", lambda path: (path / "Manifest.json").write_bytes(b"\xff\xfe"), "unreadable Manifest.json"),
    ("list-manifest", lambda path: (path / "Manifest.json").write_text("[]"), "unreadable Manifest.json"),
    ("no-root", manifest(lambda content: content.pop("rootModelIdentifier")), "unreadable Manifest.json"),
    ("number-path", manifest(root_path(7)), "unreadable Manifest.json"),
    ("escaping-manifest", manifest(root_path("../../../etc/passwd")), "outside of the package"),
    ("absolute-manifest", manifest(root_path("/etc/passwd")), "outside of the package"),
    ("no-model", lambda path: (path / MODEL).unlink(), "unreadable model.mlmodel"),
    ("garbled-model", lambda path: (path / MODEL).write_bytes(b"\xff" * 64), "unreadable model.mlmodel"),
    ("empty-model", lambda path: (path / MODEL).write_bytes(b""), "holds no model, not an ML Program"),
    (
        "neural-network",
        edit(neural_network),
        "holds a neural network (Core ML's format before ML Programs), not an ML Program",
    ),
    ("stateful", edit(stateful), "is stateful ('cache')"),
    ("flexible", edit(flexible), "describes input 'x: float32[1..9]', where its program takes"),
    ("image", edit(lambda s: s.description.input[0].type.imageType.SetInParent()), "'x' with colour space 0"),
    ("opset", edit(lambda s: setattr(s.mlProgram.functions["main"], "opset", "CoreML99")), "'CoreML99'"),
    ("no-function", edit(lambda s: s.mlProgram.functions.pop("main")), "has no function 'main'"),
    ("operator", edit(lambda s: setattr(operation(s, "relu"), "type", "warp")), "uses operator 'warp'"),
    ("argument", edit(rename_argument), "unexpected keyword argument 'speed'"),
    ("missing-argument", edit(lambda s: operation(s, "relu").inputs.pop("x")), "missing a required argument: 'x'"),
    ("data-type", edit(float8), "'y' with data type 40"),
    ("endless", edit(endless), "a dimension above"),
    ("dangling", bind("relu", "x", "nowhere"), "computes 'y' from 'nowhere'"),
    ("cyclic", bind("linear", "x", "y"), "computes 'hidden' from 'y'"),
    ("twice", edit(duplicate), "defines 'y' twice"),
    ("lost-output", edit(lambda s: block(s).operations.remove(operation(s, "relu"))), "returns 'y'"),
    ("other-output", edit(lambda s: setattr(s.description.output[0], "name", "z")), "describes output 'z'"),
    ("other-input", edit(lambda s: setattr(s.description.input[0], "name", "z")), "describes other inputs"),
    ("no-weights", lambda path: (path / WEIGHTS).unlink(), "cannot be read"),
    ("empty-weights", lambda path: (path / WEIGHTS).write_bytes(b""), "cannot be read"),
    ("short-weights", weights(lambda content: content.__delitem__(slice(32, None))), "truncated"),
    ("cut-weights", weights(lambda content: content.__delitem__(slice(256, None))), "truncated"),
    ("cut-metadata", weights(lambda content: content.__delitem__(slice(96, None))), "has no blob at offset"),
    ("version", poke(4, "<I", 3), "blob storage version 3"),
    ("sentinel", poke(64, "<I", 0), "has no blob at offset 64"),
    ("blob-type", poke(68, "<I", 1), "float16"),
    ("blob-size", poke(72, "<Q", 4), "holds 4 bytes"),
    ("blob-offset", poke(80, "<Q", 2**63), "truncated"),
    ("odd-offset", poke(80, "<Q", 129), "truncated"),
    ("huge-constant", edit(resize_constant), "where the program declares"),
    ("escaping-weights", reference("@model_path/../../../../stolen.bin"), "outside of the package"),
    ("other-weights", reference("/etc/passwd"), "refers to weights by '/etc/passwd'"),
    ("null-path", manifest(root_path("a\0b")), "which is not a path"),
    ("null-weights", reference("@model_path/a\0b"), "which is not a path"),
    ("linked-weights", link_outside, "outside of the package"),
]


@pytest.mark.parametrize(("mutate", "expected"), [pytest.param(m, e, id=name) for name, m, e in BROKEN])
def test_refused_at_load_in_one_sentence(good: Path, tmp_path: Path, mutate: Mutation, expected: str) -> None:
    path = tmp_path / "broken.mlpackage"
    shutil.copytree(good, path)
    mutate(path)
    with pytest.raises(RunError) as caught:
        load(path)
    message = str(caught.value)
    assert expected in message
    assert "broken.mlpackage" in message
    assert "\n" not in message


def test_the_package_itself_is_sound(good: Path) -> None:
    assert load(good).predict({"x": np.ones((2, 8), np.float32)})["y"].shape == (2, 16)


def test_a_shape_other_than_declared_is_refused_when_it_is_computed(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.mlpackage"
    shutil.copytree(good, path)
    edit(lambda s: setattr(operation(s, "linear").outputs[0].type.tensorType.dimensions[1].constant, "size", 15))(path)
    with pytest.raises(RunError, match=r"operator 'linear' \('hidden'\) gave shape \[2, 16\] where \[2, 15\]"):
        load(path).predict({"x": np.ones((2, 8), np.float32)})


def test_an_operator_that_fails_is_named(good: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.mlpackage"
    shutil.copytree(good, path)
    edit(lambda s: operation(s, "linear").inputs["weight"].CopyFrom(operation(s, "linear").inputs["bias"]))(path)
    with pytest.raises(RunError, match=r"broken.mlpackage': operator 'linear' \('hidden'\) failed: ") as caught:
        load(path).predict({"x": np.ones((2, 8), np.float32)})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("file", [MODEL, WEIGHTS])
# Each example writes its own file into the one folder, and reading a file has no deadline.
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_altered_byte_is_either_harmless_or_refused(
    good: Path, tmp_path: Path, file: Path, data: st.DataObject
) -> None:
    path = tmp_path / "broken.mlpackage"
    shutil.copytree(good, path, dirs_exist_ok=True)
    content = bytearray((path / file).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (path / file).write_bytes(content)
    with contextlib.suppress(RunError):
        program = load(path)
        program.predict({spec.name: np.zeros(spec.shape, spec.dtype) for spec in program.inputs})


def test_loading_changes_nothing_on_disk(good: Path) -> None:
    before = {path: path.read_bytes() for path in good.rglob("*") if path.is_file()}
    load(good).predict({"x": np.ones((2, 8), np.float32)})
    assert {path: path.read_bytes() for path in good.rglob("*") if path.is_file()} == before


def alone(good: Path, place: Path, change: Mutation | None = None) -> Path:
    """The specification of a package as a single ``.mlmodel``, with its weights beside it."""
    shutil.copytree(good, place / "changed.mlpackage")
    if change:
        change(place / "changed.mlpackage")
    shutil.copytree((place / "changed.mlpackage" / MODEL).parent, place / "alone")
    (place / "alone" / MODEL.name).rename(place / "alone" / "small.mlmodel")
    return place / "alone" / "small.mlmodel"


def test_a_single_file_with_a_program_is_taken_like_a_package(good: Path, tmp_path: Path) -> None:
    x = np.ones((2, 8), np.float32)
    path = alone(good, tmp_path)
    np.testing.assert_array_equal(load(path).predict({"x": x})["y"], load(good).predict({"x": x})["y"])
    assert inspect(path).operators == inspect(good).operators


def test_a_single_file_with_a_neural_network_is_told_what_to_do(good: Path, tmp_path: Path) -> None:
    path = alone(good, tmp_path, edit(neural_network))
    for use in (load, inspect):
        with pytest.raises(RunError) as caught:
            use(path)
        assert str(caught.value) == (
            f"Core ML model '{path}' holds a neural network (Core ML's format before ML Programs), not an ML Program; "
            "convert it again with convert_to='mlprogram'."
        )


def test_a_single_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "small.mlmodel"
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(RunError, match=r"Core ML model '.*small\.mlmodel' has an unreadable small\.mlmodel"):
        load(path)


def test_weights_of_a_single_file_stay_beside_it(good: Path, tmp_path: Path) -> None:
    path = alone(good, tmp_path, reference("@model_path/../stolen.bin"))
    with pytest.raises(RunError, match="outside of the package"):
        load(path)


def test_a_compiled_model_is_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "small.mlmodelc"
    path.mkdir()
    for use in (load, inspect):
        with pytest.raises(
            RunError, match=r"small\.mlmodelc' was compiled for Core ML, which alone reads it; give the"
        ):
            use(path)
