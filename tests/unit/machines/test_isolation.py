"""Real runtimes behind a process boundary: sound files answer like the model, damaged ones are one sentence."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from arrays import float32
from onnx import TensorProto, helper
from tiny_artifacts import CONFIG, TinyModel, tiny_module

from pe_validate.data.compare import compare
from pe_validate.data.outputs import Array
from pe_validate.machines import isolation
from pe_validate.machines.isolation import LARGEST_ANSWER, IsolatedRuntime
from pe_validate.system.allowance import BASE_MEMORY
from pe_validate.system.errors import RunError, UsageError
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import load
from pe_validate.targets.registry import target_named, targets
from pe_validate.targets.runtime import Runtime

TARGETS = ("onnx", "pte", "pte-coreml")
IMAGE = np.random.default_rng(0).uniform(-1, 1, CONFIG.input_shape).astype(np.float32)

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "contiguous": np.copy,
    "channels last": lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "fortran": np.asfortranarray,
    "reversed": lambda x: np.flip(np.flip(x, -1).copy(), -1),
    "every second": lambda x: np.repeat(x, 2, -1)[..., ::2],
    "read-only": lambda x: np.frombuffer(x.tobytes(), np.float32).reshape(x.shape),
    "misaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), np.float32, offset=1).reshape(x.shape),
}


@pytest.fixture(scope="module")
def expected() -> Array:
    """What the module itself answers to ``IMAGE``."""
    with torch.inference_mode():
        answer: Array = tiny_module()(torch.from_numpy(IMAGE)).numpy()
        return answer


@pytest.fixture(scope="module", params=TARGETS)
def isolated(request: pytest.FixtureRequest, tiny: Path) -> Iterator[Runtime]:
    with IsolatedRuntime(tiny / f"tiny{target_named(request.param).suffix}", request.param, "exact") as runtime:
        yield runtime


@pytest.fixture(scope="module", params=["eager", *TARGETS])
def in_process(request: pytest.FixtureRequest, tiny: Path) -> Runtime:
    if request.param == "eager":
        return EagerRuntime(tiny_module(), TinyModel())
    return load(tiny / f"tiny{target_named(request.param).suffix}", request.param)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_an_isolated_artifact_answers_like_the_module_in_any_layout(
    isolated: Runtime, expected: Array, layout: Callable[[Array], Array]
) -> None:
    assert compare(expected, isolated.run(layout(IMAGE))).snr_db > 100


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_a_runtime_in_this_process_answers_like_the_module_in_any_layout(
    in_process: Runtime, expected: Array, layout: Callable[[Array], Array]
) -> None:
    assert compare(expected, in_process.run(layout(IMAGE))).snr_db > 100


def test_the_same_image_gives_the_same_answer_again(isolated: Runtime) -> None:
    first = isolated.run(IMAGE)
    isolated.run(-IMAGE)
    np.testing.assert_array_equal(isolated.run(IMAGE), first)


def test_an_isolated_artifact_declares_what_the_module_takes_and_gives(isolated: Runtime) -> None:
    assert [*map(str, isolated.inputs)] == ["image: float32[1, 3, 32, 32]"]
    assert [*map(str, isolated.outputs)] == ["features: float32[1, 8]"]
    assert isolated.producer.split()[0] in ("ONNX", "ExecuTorch", "Core")


def test_an_image_of_another_shape_is_refused_before_it_is_sent(isolated: Runtime) -> None:
    with pytest.raises(RunError, match="the artifact declares image"):
        isolated.run(IMAGE[:, :, :16])
    assert isolated.run(IMAGE).shape == (1, 8)


def garbage(path: Path) -> Path:
    path.write_bytes(np.random.default_rng(0).bytes(20_000))
    return path


def empty(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def missing(path: Path) -> Path:
    return path


def folder(path: Path) -> Path:
    path.mkdir()
    garbage(path / "something.bin")
    return path


def package_of_garbage(path: Path) -> Path:
    (path / "Data" / "com.apple.CoreML").mkdir(parents=True)
    garbage(path / "Manifest.json")
    garbage(path / "Data" / "com.apple.CoreML" / "model.mlmodel")
    return path


def empty_package(path: Path) -> Path:
    path.mkdir()
    return path


DAMAGES = (garbage, empty, missing, folder)
CLEAN = [
    *(("onnx", damage) for damage in DAMAGES),
    *(("mlpackage", damage) for damage in (*DAMAGES, package_of_garbage, empty_package)),
]
"""What can be loaded in this process, since it is refused without a crash."""


@pytest.mark.parametrize(("target", "damage"), CLEAN, ids=[f"{target}-{damage.__name__}" for target, damage in CLEAN])
def test_a_damaged_file_is_one_sentence_that_names_it(
    tmp_path: Path, target: str, damage: Callable[[Path], Path]
) -> None:
    path = damage(tmp_path / f"damaged.{target}")
    with pytest.raises(RunError) as failure:
        load(path, target)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.7, 0.98])
def test_a_truncated_onnx_file_is_one_sentence_that_names_it(tiny: Path, tmp_path: Path, part: float) -> None:
    whole = (tiny / "tiny.onnx").read_bytes()
    path = tmp_path / "truncated.onnx"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(RunError) as failure:
        load(path, "onnx").run(IMAGE)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(
    ("target", "damage"),
    [("onnx", garbage), *((target, damage) for target in ("pte", "pte-coreml") for damage in DAMAGES)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_behind_the_process_boundary_a_damaged_file_is_one_sentence_too(
    tmp_path: Path, target: str, damage: Callable[[Path], Path]
) -> None:
    path = damage(tmp_path / f"damaged.{target}")
    with pytest.raises(RunError) as failure:
        IsolatedRuntime(path, target, "exact")
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("target", ["pte", "pte-coreml"])
@pytest.mark.parametrize("part", [0.5, 0.98])
def test_a_truncated_program_is_one_sentence_that_names_it(
    tiny: Path, tmp_path: Path, part: float, target: str
) -> None:
    whole = (tiny / f"tiny{target_named(target).suffix}").read_bytes()
    path = tmp_path / "truncated.pte"
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(RunError) as failure, IsolatedRuntime(path, target, "exact") as runtime:
        runtime.run(IMAGE)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("target", ["pte", "pte-coreml"])
@pytest.mark.parametrize("part", [0.4, 0.8])
def test_one_altered_byte_of_a_program_is_an_answer_or_one_sentence(
    tiny: Path, tmp_path: Path, part: float, target: str
) -> None:
    content = bytearray((tiny / f"tiny{target_named(target).suffix}").read_bytes())
    content[int(len(content) * part)] ^= 0xFF
    path = tmp_path / "altered.pte"
    path.write_bytes(content)
    with contextlib.suppress(RunError), IsolatedRuntime(path, target, "exact") as runtime:
        assert runtime.run(IMAGE).shape == (1, 8)


@pytest.mark.parametrize(
    ("content", "claimed"), [("pte", "onnx"), ("onnx", "mlpackage"), ("pte", "pte-coreml"), ("coreml.pte", "pte")]
)
def test_a_file_of_another_target_is_refused(tiny: Path, tmp_path: Path, content: str, claimed: str) -> None:
    path = tmp_path / f"renamed.{claimed}"
    shutil.copyfile(tiny / f"tiny.{content}", path)
    with pytest.raises(RunError) as failure:
        load(path, claimed)
    assert str(path) in str(failure.value)


def test_an_unknown_target_is_a_mistake_of_the_caller(tiny: Path) -> None:
    with pytest.raises(UsageError, match=f"There is no target 'tflite': choose one of {', '.join(targets())}"):
        load(tiny / "tiny.onnx", "tflite")


def two_outputs(path: Path) -> Path:
    """``small`` [1, 2] is the first two pixels of the image, ``large`` [1, 3] the first three."""
    wide = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n]) for name, n in [("small", 2), ("large", 3)]]
    graph = helper.make_graph(
        [
            helper.make_node("Slice", ["image", "zero", "two", "axis"], ["small"]),
            helper.make_node("Slice", ["image", "zero", "three", "axis"], ["large"]),
        ],
        "two",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 4])],
        wide,
        [
            helper.make_tensor(name, TensorProto.INT64, [1], [value])
            for name, value in {"zero": 0, "two": 2, "three": 3, "axis": 1}.items()
        ],
    )
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


def test_one_of_several_outputs_can_be_chosen_by_name(tmp_path: Path) -> None:
    image = float32([[1, 2, 3, 4]])
    with IsolatedRuntime(two_outputs(tmp_path / "two.onnx"), "onnx", "exact", "large") as runtime:
        np.testing.assert_array_equal(runtime.run(image), image[:, :3])


@pytest.mark.parametrize("name", ["features", "medium"])
def test_without_a_name_that_fits_several_outputs_are_listed(tmp_path: Path, name: str) -> None:
    runtime = load(two_outputs(tmp_path / "two.onnx"), "onnx")
    runtime.output_name = name
    with pytest.raises(RunError, match=r"small: float32\[1, 2\], large: float32\[1, 3\]"):
        runtime.run(float32([[1, 2, 3, 4]]))


def saved(path: Path, nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto]) -> Path:
    """A model that makes ``features`` [1, 4] of ``image`` [1, 4]."""
    image, features = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("image", "features"))
    graph = helper.make_graph(nodes, "hostile", [image], [features], constants)
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    return path


FOUR = np.ones((1, 4), np.float32)


def test_an_artifact_that_never_finishes_is_ended_and_the_sentence_says_when(tmp_path: Path) -> None:
    scalar, four = (TensorProto.BOOL, list[int]()), (TensorProto.FLOAT, [1, 4])
    names = {"number": (TensorProto.INT64, []), "go": scalar, "x": four, "go on": scalar, "y": four}
    values = {name: helper.make_tensor_value_info(name, *declared) for name, declared in names.items()}
    steps = [helper.make_node("Identity", ["go"], ["go on"]), helper.make_node("Sin", ["x"], ["y"])]
    inputs, outputs = [values[name] for name in ("number", "go", "x")], [values[name] for name in ("go on", "y")]
    loop = helper.make_node(
        "Loop", ["", "true", "image"], ["features"], body=helper.make_graph(steps, "body", inputs, outputs)
    )
    path = saved(tmp_path / "endless.onnx", [loop], [helper.make_tensor("true", TensorProto.BOOL, [], [True])])
    with IsolatedRuntime(path, "onnx", "exact", timeout=20) as runtime:
        runtime._timeout = 1.0
        with pytest.raises(RunError, match=r"endless\.onnx' failed in .*: it did not finish within 1 s\.$"):
            runtime.run(FOUR)


def test_an_artifact_that_answers_in_the_nick_of_time_each_time_is_ended_too(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = count(step=2.0)  # every call takes two seconds
    monkeypatch.setattr(isolation, "monotonic", lambda: next(clock))
    with IsolatedRuntime(tiny / "tiny.onnx", "onnx", "exact", budget=5.0) as runtime:
        runtime.run(IMAGE)
        runtime.run(IMAGE)
        with pytest.raises(RunError, match=r"tiny\.onnx' failed in .*: its answers took more than 5 s in all\.$"):
            runtime.run(IMAGE)


def test_an_artifact_that_asks_for_more_memory_than_it_may_have_is_one_sentence(tmp_path: Path) -> None:
    """Twice what it is allowed, which most machines have."""
    nodes = [
        helper.make_node("ConstantOfShape", ["count"], ["many"]),
        helper.make_node("ReduceSum", ["many"], ["sum"], keepdims=0),
        helper.make_node("Add", ["image", "sum"], ["features"]),
    ]
    count = helper.make_tensor("count", TensorProto.INT64, [1], [2 * BASE_MEMORY // 4])
    with IsolatedRuntime(saved(tmp_path / "bomb.onnx", nodes, [count]), "onnx", "exact") as runtime:
        with pytest.raises(RunError, match=r"bomb\.onnx' failed in .*[Ff]ailed to allocate memory") as failure:
            runtime.run(FOUR)
        assert str(failure.value).isprintable()


def test_an_answer_that_would_fill_the_memory_of_who_asked_is_refused_where_it_was_made(tmp_path: Path) -> None:
    count = LARGEST_ANSWER // 4 + 1
    image, features = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in (("image", [1, 1]), ("features", [1, count]))
    )
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [1, count])
    graph = helper.make_graph(
        [helper.make_node("Expand", ["image", "shape"], ["features"])], "large", [image], [features], [shape]
    )
    path = tmp_path / "large.onnx"
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]), path)
    with (
        IsolatedRuntime(path, "onnx", "exact") as runtime,
        pytest.raises(RunError, match=r"answered with 8,388,609 values"),
    ):
        runtime.run(np.ones((1, 1), np.float32))


@pytest.mark.parametrize(
    "number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGKILL], ids=lambda n: n.name
)
def test_a_runtime_that_dies_while_it_runs_is_one_sentence_that_names_the_signal(
    tiny: Path, number: signal.Signals
) -> None:
    with IsolatedRuntime(tiny / "tiny.onnx", "onnx", "exact") as runtime:
        os.kill(runtime._child._process.pid, number)
        with pytest.raises(RunError, match=rf"tiny\.onnx' failed in .*: its process was ended by {number.name}\.$"):
            runtime.run(IMAGE)


def test_a_program_whose_runtime_aborts_is_one_sentence_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"bytes\.pte' cannot be loaded: its process was ended by SIGABRT\.$"):
        IsolatedRuntime(garbage(tmp_path / "bytes.pte"), "pte", "exact")


def test_what_onnx_runtime_says_in_two_lines_is_one_sentence(tmp_path: Path) -> None:
    """Fuzzing found it: its message on an output that nothing computes ends with an end of line."""
    path = saved(tmp_path / "nothing.onnx", [helper.make_node("Identity", ["image"], ["other"])], [])
    with pytest.raises(RunError, match=r"nothing\.onnx' cannot be loaded by ONNX Runtime.*[^\\n.]\.$") as failure:
        IsolatedRuntime(path, "onnx", "exact")
    assert "\\n" not in str(failure.value)
