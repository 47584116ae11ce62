"""A hostile package is answered, or refused by one sentence, and nothing outside of it is opened.

Each change runs in a child process that has little memory; ``test_mil_packages.py`` has the plainer faults.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mil_editing import (
    MANIFEST,
    MODEL,
    WEIGHTS,
    Mutation,
    block,
    edit,
    manifest,
    operation,
    poke,
    root_path,
)
from mil_hostile import confine, is_sentence, outcome, watched

from pe_validate.system.process import Child

SECONDS = 60.0
"""For every use of one package; the slowest takes three."""

Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def child(rich: Path) -> Iterator[Child]:
    with Child() as child:
        child.call(confine, 120, str(rich))
        yield child


def bound(specification: Any, kind: str, key: str) -> Any:
    """The constant that an operator's argument is bound to."""
    name = operation(specification, kind).inputs[key].arguments[0].name
    constants = {found.outputs[0].name: found for found in block(specification).operations if found.type == "const"}
    return constants[name].attributes["val"]


def argument(kind: str, key: str, *numbers: int) -> Mutation:
    """Other integers in a constant argument."""

    def change(specification: Any) -> None:
        bound(specification, kind, key).immediateValue.tensor.ints.values[:] = numbers

    return edit(change)


def tensor_type(specification: Any, kind: str) -> Any:
    """What is declared for an operator's first result."""
    return operation(specification, kind).outputs[0].type.tensorType


def reshaped(found: Any, *shape: int) -> None:
    del found.dimensions[:]
    for size in shape:
        found.dimensions.add().constant.size = size


def declare(kind: str, *shape: int) -> Mutation:
    return edit(lambda s: reshaped(tensor_type(s, kind), *shape))


def constant(kind: str, key: str, change: Change) -> Mutation:
    return edit(lambda s: change(bound(s, kind, key)))


def compressed(change: Change) -> Mutation:
    """Change the blob reference, and the type, of the compressed weight."""

    def of(s: Any) -> Any:
        return operation(s, "constexpr_blockwise_shift_scale").inputs["data"].arguments[0].value

    return edit(lambda s: change(of(s)))


def nested(kind: str, index: int, change: Change) -> Mutation:
    return edit(lambda s: change(operation(s, kind).blocks[index]))


def rebind(kind: str, key: str, name: str) -> Mutation:
    return edit(lambda s: setattr(operation(s, kind).inputs[key].arguments[0], "name", name))


def described(change: Change) -> Mutation:
    return edit(lambda s: change(s.description))


def optional(value: float, *shape: int) -> Mutation:
    """The input may be left out; what is said to take its place has this shape, in int32."""

    def change(description: Any) -> None:
        feature = description.input[0].type
        feature.isOptional = True
        feature.multiArrayType.dataType = 131104
        feature.multiArrayType.doubleDefaultValue = value
        feature.multiArrayType.shape[:] = shape

    return described(change)


def vast(specification: Any) -> None:
    """An optional input that program and description agree on, larger than the child's memory."""
    feature = specification.description.input[0].type
    feature.isOptional = True
    feature.multiArrayType.shape[:] = (LAST,)
    reshaped(specification.mlProgram.functions["main"].inputs[0].type.tensorType, LAST)


def replaced(file: Path, content: bytes) -> Mutation:
    def mutate(path: Path) -> None:
        (path / file).write_bytes(content)

    return mutate


def piped(file: Path) -> Mutation:
    def mutate(path: Path) -> None:
        (path / file).unlink()
        os.mkfifo(path / file)

    return mutate


def linked(file: Path) -> Mutation:
    """A sound file, outside of the package, behind a link."""

    def mutate(path: Path) -> None:
        shutil.move(path / file, path.parent / file.name)
        os.symlink(path.parent / file.name, path / file)

    return mutate


def sparse(file: Path) -> Mutation:
    return lambda path: os.truncate(path / file, 2**40)


def moved_out(path: Path) -> None:
    shutil.move(path / "Data", path.parent / "Data")
    os.symlink(path.parent / "Data", path / "Data")


def looped(path: Path) -> None:
    (path / WEIGHTS).unlink()
    os.symlink(WEIGHTS.name, path / WEIGHTS)


def emptied(path: Path) -> None:
    shutil.rmtree(path)
    path.mkdir()


def only_a_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_bytes(b"not a folder")


def two_models(content: dict[str, Any]) -> None:
    content["itemInfoEntries"]["another"] = content["itemInfoEntries"][content["rootModelIdentifier"]]
    content["rootModelIdentifier"] = ["another", content["rootModelIdentifier"]]


def swap_inputs(specification: Any) -> None:
    """Each of two operations reads what the other makes."""
    pair = operation(specification, "tile"), operation(specification, "gelu")
    for one, other in (pair, pair[::-1]):
        one.inputs["x"].arguments[0].name = other.outputs[0].name


def same_constant_twice(specification: Any) -> None:
    yes, no = operation(specification, "cond").blocks
    yes.operations.add().CopyFrom(next(found for found in no.operations if found.type == "const"))


def texts(value: Any, *strings: str) -> None:
    value.immediateValue.tensor.strings.values[:] = strings


def floats(value: Any, *numbers: float) -> None:
    value.immediateValue.tensor.floats.values[:] = numbers


def retyped(value: Any, number: int, *numbers: int) -> None:
    value.type.tensorType.dataType = number
    value.immediateValue.tensor.ints.values[:] = numbers


def file_name(name: str) -> Mutation:
    return compressed(lambda value: setattr(value.blobFileValue, "fileName", name))


def one_more_result(specification: Any) -> None:
    found = operation(specification, "gelu")
    found.outputs.add().CopyFrom(found.outputs[0])
    found.outputs[1].name = "z"


def forever(found: Any) -> None:
    """A condition that gives what is always true."""
    value = found.operations.add(type="const")
    value.outputs.add(name="always").type.tensorType.dataType = 1
    value.attributes["val"].type.tensorType.dataType = 1
    value.attributes["val"].immediateValue.tensor.bools.values.append(True)
    found.outputs[:] = ["always"]


def into_image(specification: Any) -> None:
    image = specification.description.output[0].type.imageType
    image.width, image.height, image.colorSpace = 2**40, 2**40, 20


def deepen(levels: int, specification: Any) -> None:
    """Branches in branches; protobuf reads about thirty."""
    found = flat = operation(specification, "cond")
    for level in range(levels):
        outer = type(flat)()
        outer.CopyFrom(flat)
        outer.outputs[0].name = f"level_{level}"
        outer.blocks[0].ClearField("operations")
        outer.blocks[0].operations.add().CopyFrom(found)
        outer.blocks[0].outputs[:] = [found.outputs[0].name]
        outer.blocks[1].ClearField("operations")
        outer.blocks[1].outputs[:] = ["add_0"]
        found = outer
    found.outputs[0].name = "cond_0"
    operation(specification, "cond").CopyFrom(found)


LAST = 2**31 - 1

HOSTILE = [
    # The package as files
    ("empty-folder", emptied, "unreadable Manifest.json (FileNotFoundError"),
    ("a-file", only_a_file, "is not a folder"),
    ("random-model", replaced(MODEL, bytes(range(256)) * 8), "unreadable model.mlmodel"),
    ("zeros-as-manifest", replaced(MANIFEST, bytes(64)), "unreadable Manifest.json"),
    ("nested-manifest", replaced(MANIFEST, b"[" * 100_000), "unreadable Manifest.json (RecursionError"),
    ("two-models", manifest(two_models), "unreadable Manifest.json (TypeError"),
    ("no-entries", manifest(lambda content: content.pop("itemInfoEntries")), "unreadable Manifest.json (KeyError"),
    ("root-is-a-folder", manifest(root_path("")), "unreadable Data (it is not a plain file)"),
    ("root-has-two-lines", manifest(root_path("../../a\nb\x1b[2J")), r"'../../a\nb\x1b[2J', which is outside"),
    ("root-is-no-text", manifest(root_path("\ud800")), "which is not a path"),
    ("root-is-long", manifest(root_path("a" * 5000)), "unreadable aaa"),
    ("linked-manifest", linked(MANIFEST), "'Manifest.json', which is outside of the package"),
    ("linked-model", linked(MODEL), "which is outside of the package"),
    ("linked-folder", moved_out, "which is outside of the package"),
    ("linked-to-itself", looped, "is not a path (Symlink loop"),
    ("piped-manifest", piped(MANIFEST), "unreadable Manifest.json (OSError: it is not a plain file)"),
    ("piped-model", piped(MODEL), "unreadable model.mlmodel (it is not a plain file)"),
    ("piped-weights", piped(WEIGHTS), "cannot be read (it is not a plain file)"),
    ("sparse-manifest", sparse(MANIFEST), "has 1099511627776 bytes"),
    ("sparse-model", sparse(MODEL), "has 1099511627776 bytes"),
    ("sparse-weights", sparse(WEIGHTS), "cannot be read"),
    # Weights
    ("magic", replaced(WEIGHTS, b"PK\x03\x04" * 256), "has blob storage version"),
    ("blob-of-2**60-bytes", poke(72, "<Q", 2**60), "is truncated: the blob"),
    ("blob-at-its-own-header", poke(80, "<Q", 0), ""),
    ("blob-at-the-end", poke(80, "<Q", 2**64 - 64), "is truncated: the blob"),
    ("escaping-weights", file_name("@model_path/../../../stolen.bin"), "outside of the package"),
    ("absolute-weights", file_name("@model_path//etc/passwd"), "outside of the package"),
    ("device-as-weights", file_name("@model_path//dev/zero"), "outside of the package"),
    ("model-as-weights", file_name("@model_path/model.mlmodel"), "blob storage version"),
    ("offset", compressed(lambda v: setattr(v.blobFileValue, "offset", 2**64 - 64)), "has no blob at offset"),
    ("unaligned-offset", compressed(lambda v: setattr(v.blobFileValue, "offset", 65)), "has no blob at offset"),
    ("blob-shape", compressed(lambda v: reshaped(v.type.tensorType, 2**20, 2**20)), "with more than 2147483647 values"),
    ("blob-without-values", compressed(lambda v: reshaped(v.type.tensorType, 0, LAST, LAST)), "with more than"),
    ("blob-of-many-axes", compressed(lambda v: reshaped(v.type.tensorType, *(1,) * 65)), "with 65 dimensions"),
    ("blob-of-strings", compressed(lambda v: setattr(v.type.tensorType, "dataType", 2)), "of several strings"),
    ("blob-of-no-type", compressed(lambda v: setattr(v.type.tensorType, "dataType", 999)), "with data type 999"),
    ("blob-of-a-list", compressed(lambda v: v.type.listType.SetInParent()), "failed"),
    # Constants in the program
    ("text-for-numbers", constant("tile", "reps", lambda v: texts(v, "1", "2")), "whose values are no int32"),
    ("floats-for-numbers", constant("tile", "reps", lambda v: floats(v, 1.0, 2.0)), "whose values are no int32"),
    ("more-than-the-shape", argument("tile", "reps", 1, 2, 3), "whose size is not its shape's"),
    ("less-than-the-shape", constant("tile", "reps", lambda v: v.ClearField("immediateValue")), "whose size is not"),
    (
        "shape-of-a-constant",
        constant("tile", "reps", lambda v: reshaped(v.type.tensorType, 2**30)),
        "whose size is not",
    ),
    ("out-of-its-type", constant("tile", "reps", lambda v: retyped(v, 31, 1, 300)), "whose values are no uint8"),
    ("constant-of-no-type", constant("tile", "reps", lambda v: v.ClearField("type")), "is not a tensor"),
    ("numbers-for-a-text", rebind("gelu", "mode", "hidden_bias_0"), "operator 'gelu' ('gelu_0') failed"),
    ("a-text-for-numbers", rebind("tile", "reps", "gelu_0_mode_0"), "operator 'tile' ('tile_0') failed"),
    ("a-text-for-a-tensor", rebind("gelu", "x", "gelu_0_mode_0"), "operator 'gelu' ('gelu_0') failed"),
    ("unknown-mode", constant("gelu", "mode", lambda v: texts(v, "a\nb")), "failed: mode 'a."),
    # Sizes that an argument asks for
    ("tiled", argument("tile", "reps", 2**20, 2**20), "values, and 2147483647 are the most"),
    ("filled", argument("fill", "shape", LAST, LAST, LAST, LAST), "values, and 2147483647 are the most"),
    (
        "filled-a-little-less",
        argument("fill", "shape", 1, 1, LAST, 1),
        "gave shape [1, 1, 2147483647, 1] where [1, 2, 4, 18] is declared",
    ),
    ("padded", argument("pad", "pad", LAST, LAST), "values, and 2147483647 are the most"),
    ("resized", argument("resize_bilinear", "target_size_height", LAST), "values, and 2147483647 are the most"),
    ("resized-to-nothing", argument("resize_bilinear", "target_size_height", 0), "failed"),
    ("resized-below-nothing", argument("resize_bilinear", "target_size_height", -1), "failed"),
    ("reshaped", argument("reshape", "shape", LAST, LAST, LAST, LAST), "failed"),
    ("reshaped-below-nothing", argument("reshape", "shape", -2, -2, 2, 16), "failed"),
    ("tiled-below-nothing", argument("tile", "reps", -1, 2), "failed"),
    # Declared types
    ("values-declared", declare("gelu", 2**16, 2**16), "with more than 2147483647 values"),
    ("2**40-declared", declare("gelu", 2**40), "with a dimension above"),
    ("negative-declared", declare("gelu", 2**64 - 1), "with a dimension above"),
    ("axes-declared", declare("gelu", *(1,) * 100), "with 100 dimensions"),
    ("other-declared", declare("gelu", 2, 15), "gave shape [2, 16] where [2, 15] is declared"),
    ("more-than-countable", declare("gelu", *(2**62,) * 40), "with "),
    ("scalar-weight", declare("constexpr_blockwise_shift_scale"), "gave shape [16, 8] where [] is declared"),
    ("no-type", edit(lambda s: operation(s, "gelu").outputs[0].ClearField("type")), "only tensors are supported"),
    ("text-declared", edit(lambda s: setattr(tensor_type(s, "gelu"), "dataType", 2)), "with data type 2"),
    # The graph
    ("two-in-a-circle", edit(swap_inputs), "which nothing before it defines"),
    ("reads-itself", rebind("gelu", "x", "gelu_0"), "computes 'gelu_0' from 'gelu_0'"),
    ("makes-nothing", edit(lambda s: operation(s, "gelu").ClearField("outputs")), "which nothing before it defines"),
    ("makes-two", edit(one_more_result), "gave 1 outputs"),
    ("nameless", edit(lambda s: setattr(operation(s, "gelu").outputs[0], "name", "")), "which nothing before it"),
    ("no-arguments", edit(lambda s: operation(s, "linear").inputs.clear()), "missing a required argument"),
    ("unbound", edit(lambda s: operation(s, "linear").inputs["x"].ClearField("arguments")), "several values for 'x'"),
    ("no-variables", edit(lambda s: operation(s, "while_loop").inputs["loop_vars"].ClearField("arguments")), "failed"),
    ("scalar-x", rebind("linear", "x", "hidden_bias_0"), "operator 'linear' ('hidden') failed"),
    ("no-outputs", edit(lambda s: block(s).ClearField("outputs")), "which its program does not return"),
    ("no-operations", edit(lambda s: block(s).ClearField("operations")), "returns 'y', which no operation defines"),
    ("weight-of-an-activation", rebind("constexpr_blockwise_shift_scale", "data", "x"), "'x', which is no constant"),
    ("two-lines", edit(lambda s: setattr(operation(s, "gelu"), "type", "a\nb\x1b[2J")), r"'a\nb\x1b[2J'"),
    ("markup", edit(lambda s: setattr(operation(s, "gelu"), "type", "[/bold]")), "'[/bold]'"),
    # Blocks
    ("block-without-outputs", nested("cond", 1, lambda b: b.ClearField("outputs")), "gave 0 outputs"),
    ("other-outputs", nested("cond", 1, lambda b: b.outputs.append("mul_0")), "gave 2 outputs"),
    ("condition-gives-nothing", nested("while_loop", 0, lambda b: b.ClearField("outputs")), "'while_loop'"),
    (
        "body-takes-nothing",
        nested("while_loop", 1, lambda b: b.ClearField("inputs")),
        "which nothing before it defines",
    ),
    ("one-branch", edit(lambda s: operation(s, "cond").blocks.__delitem__(1)), "has 1 blocks in operator 'cond'"),
    ("a-branch-of-gelu", edit(lambda s: operation(s, "gelu").blocks.add()), "has 1 blocks in operator 'gelu'"),
    (
        "another-branch's-value",
        nested("cond", 0, lambda b: b.outputs.__setitem__(0, "mul_0")),
        "returns 'mul_0', which",
    ),
    ("one-constant-in-two", edit(same_constant_twice), "twice"),
    ("endless", nested("while_loop", 0, forever), "the loop has not ended after 16384 turns"),
    ("deep", edit(partial(deepen, 20)), ""),
    ("bottomless", edit(partial(deepen, 100)), "unreadable model.mlmodel"),
    # The description
    ("input-too-many", described(lambda d: d.input.add(name="z").CopyFrom(d.input[0])), ""),
    ("no-inputs", described(lambda d: d.ClearField("input")), "describes other inputs than its program takes"),
    ("text-as-input", described(lambda d: d.input[0].type.stringType.SetInParent()), "takes the input x: string"),
    ("label-as-output", described(lambda d: d.output[0].type.int64Type.SetInParent()), "but computes something else"),
    ("names-as-output", described(lambda d: d.output[0].type.dictionaryType.SetInParent()), "computes something else"),
    ("image-as-output", edit(into_image), "but computes [1, 2, 4, 18]"),
    ("negative-input", described(lambda d: d.input[0].type.multiArrayType.shape.__setitem__(0, -1)), "no array has"),
    ("other-function", described(lambda d: setattr(d, "defaultFunctionName", "a\nb")), ""),
]


@pytest.mark.parametrize(("mutate", "expected"), [pytest.param(m, e, id=name) for name, m, e in HOSTILE])
def test_one_sentence_and_nothing_read_outside(
    rich: Path, child: Child, tmp_path: Path, mutate: Mutation, expected: str
) -> None:
    path = tmp_path / "hostile.mlpackage"
    shutil.copytree(rich, path)
    mutate(path)
    said, outside = child.call(watched, SECONDS, str(path))
    for sentence in filter(None, said.values()):
        assert is_sentence(sentence, "hostile.mlpackage")
    for mode in ("declared", "exact"):
        assert expected in said[mode]
        assert bool(expected) == bool(said[mode])
    assert outside == []


@pytest.mark.parametrize(
    ("mutate", "expected"),
    [
        pytest.param(optional(0.0, 2**40), "in a shape that no array has", id="shape"),
        pytest.param(edit(vast), "cannot be held in memory", id="memory"),
        pytest.param(optional(1e300, 2, 8), "values that are no int32", id="value"),
        pytest.param(optional(1.0, 2, 8), "", id="sound"),
    ],
)
def test_what_takes_the_place_of_an_input(
    rich: Path, child: Child, tmp_path: Path, mutate: Mutation, expected: str
) -> None:
    path = tmp_path / "hostile.mlpackage"
    shutil.copytree(rich, path)
    mutate(path)
    said = child.call(outcome, SECONDS, str(path), "bare")["bare"]
    assert expected in said
    assert bool(expected) == bool(said)
