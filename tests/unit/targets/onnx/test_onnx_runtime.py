"""Models that other people exported: any names, free axes, several outputs."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from pe_validate.system.errors import ExplainError, RunError
from pe_validate.targets.onnx import ONNX
from pe_validate.targets.onnx.precision import structure
from pe_validate.targets.onnx.runtime import OnnxRuntime

FLOAT = TensorProto.FLOAT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """`pixels` [batch, 3, height, width] → `copy`, the same, and `sign`."""
    free: list[str | int | None] = ["batch", 3, "height", "width"]
    nodes = [helper.make_node("Identity", ["pixels"], ["copy"]), helper.make_node("Sign", ["pixels"], ["sign"])]
    graph = helper.make_graph(
        nodes,
        "stranger",
        [helper.make_tensor_value_info("pixels", FLOAT, free)],
        [helper.make_tensor_value_info(name, FLOAT, free) for name in ("copy", "sign")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "stranger.onnx")
    return tmp_path / "stranger.onnx"


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (2, 3, 4, 6)])
def test_free_axes_take_any_length(path: Path, shape: tuple[int, ...]) -> None:
    runtime = OnnxRuntime(path)
    runtime.output_name = "copy"
    image = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    assert np.array_equal(runtime.run(image), image)


def test_fixed_axes_do_not(path: Path) -> None:
    runtime = OnnxRuntime(path)
    runtime.output_name = "copy"
    with pytest.raises(RunError, match=r"declares pixels: float32\[\?, 3, \?, \?\]"):
        runtime.run(np.zeros((1, 4, 8, 8), np.float32))


def test_one_of_several_outputs_has_to_be_named(path: Path) -> None:
    with pytest.raises(RunError, match="say which one is to be validated"):
        OnnxRuntime(path).run(np.zeros((1, 3, 8, 8), np.float32))


@pytest.mark.parametrize("location", ["../secret.bin", "{folder}/secret.bin", "link.bin", "a/../../secret.bin"])
def test_weights_outside_of_the_files_folder_are_not_read(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(np.ones(8, np.float32).tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    weight = onnx.TensorProto(name="w", data_type=1, dims=[1, 8], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location.format(folder=tmp_path))
    image = onnx.helper.make_tensor_value_info("image", 1, [1, 8])
    features = onnx.helper.make_tensor_value_info("features", 1, [1, 8])
    node = onnx.helper.make_node("Add", ["image", "w"], ["features"])
    graph = onnx.helper.make_graph([node], "graph", [image], [features], [weight])
    path = folder / "model.onnx"
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    with pytest.raises(RunError, match=r"model\.onnx' cannot be loaded"):
        OnnxRuntime(path)
    with pytest.raises(ExplainError, match=r"model\.onnx' cannot be read"):
        ONNX.intermediates(path, "exact", np.zeros((1, 8), np.float32), frozenset({8}))


def saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    weight: onnx.TensorProto,
    kind: int = FLOAT,
    shape: tuple[int, ...] = (1, 8),
) -> Path:
    """Save a graph from `image` to `features`, of the same type and shape, with one weight, `w`."""
    ends = [helper.make_tensor_value_info(name, kind, shape) for name in ("image", "features")]
    graph = helper.make_graph(nodes, "stranger", ends[:1], ends[1:], [weight])
    opsets = [helper.make_opsetid(domain, 18 if not domain else 1) for domain in ("", "my.operators", "com.microsoft")]
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString())
    return path


def weight_of(dtype: str) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.eye(8).astype(dtype), "w")


PRODUCT = helper.make_node("MatMul", ["image", "w"], ["features"])


def test_weights_that_are_not_beside_the_file_are_asked_for(tmp_path: Path) -> None:
    weight = onnx.TensorProto(name="w", data_type=1, dims=[8, 8], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="weights.bin")
    path = saved(tmp_path / "apart.onnx", [PRODUCT], weight)
    with pytest.raises(RunError, match=r"file is whole, but its weights are in 'weights\.bin', which is not beside it"):
        OnnxRuntime(path)
    (tmp_path / "weights.bin").write_bytes(np.eye(8, dtype=np.float32).tobytes())
    assert OnnxRuntime(path).run(np.ones((1, 8), np.float32)).tolist() == [[1] * 8]


def test_a_type_without_a_kernel_is_named(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["image", "w"], ["features"], name="first")
    weight = onnx.numpy_helper.from_array(np.ones((1, 1, 1)), "w")
    path = saved(tmp_path / "double.onnx", [node], weight, TensorProto.DOUBLE, (1, 1, 8))
    with pytest.raises(RunError, match="is whole, but ONNX Runtime has no kernel on the CPU for 'Conv' in float64"):
        OnnxRuntime(path)


def test_an_operator_of_a_library_that_is_not_here_is_named(tmp_path: Path) -> None:
    node = helper.make_node("Fused", ["image", "w"], ["features"], domain="my.operators")
    with pytest.raises(RunError, match=r"file is whole, but it uses my\.operators:Fused, which a library"):
        OnnxRuntime(saved(tmp_path / "custom.onnx", [node], weight_of("float32")))


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "newer.onnx", [PRODUCT], weight_of("float32"))
    model = onnx.load(path)
    model.ir_version = 99
    onnx.save(model, path)
    with pytest.raises(RunError, match=r"file is whole, but its format \(IR version 99, .* is newer"):
        OnnxRuntime(path)


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_what_is_no_model_is_called_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "garbage.onnx").write_bytes(content)
    with pytest.raises(RunError, match="truncated or not a model"):
        OnnxRuntime(tmp_path / "garbage.onnx")


def test_operators_of_onnx_runtime_itself_are_run(tmp_path: Path) -> None:
    node = helper.make_node("FusedMatMul", ["image", "w"], ["features"], domain="com.microsoft", alpha=2.0)
    runtime = OnnxRuntime(saved(tmp_path / "fused.onnx", [node], weight_of("float32")))
    assert runtime.run(np.ones((1, 8), np.float32)).tolist() == [[2] * 8]


def test_a_file_in_ort_format_is_run_and_its_values_are_in_its_onnx_file(tmp_path: Path) -> None:
    source, path = saved(tmp_path / "model.onnx", [PRODUCT], weight_of("float32")), tmp_path / "model.ort"
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(path)
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(str(source), options, providers=["CPUExecutionProvider"])
    assert OnnxRuntime(path).run(np.ones((1, 8), np.float32)).tolist() == [[1] * 8]
    assert ONNX.unlisted_precision(ONNX.structure(path)) is None
    with pytest.raises(ExplainError, match=r"ORT format, .*: explain its \.onnx file"):
        ONNX.intermediates(path, "exact", np.ones((1, 8), np.float32), frozenset({8}))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunError, match="damaged, or of another version of ONNX Runtime"):
        OnnxRuntime(path)


def test_a_float16_input_is_given_float16(tmp_path: Path) -> None:
    path = saved(tmp_path / "half.onnx", [PRODUCT], weight_of("float16"), TensorProto.FLOAT16)
    values = ONNX.intermediates(path, "exact", np.ones((1, 8), np.float32), frozenset({8}))
    assert values["features"].tolist() == [[1] * 8]


DEQUANTISED = [
    helper.make_node("DequantizeLinear", ["w", "scale"], ["wide"]),
    helper.make_node("Transpose", ["wide"], ["turned"], perm=[1, 0]),
    helper.make_node("MatMul", ["image", "turned"], ["features"]),
]
HALVED = [
    helper.make_node("Cast", ["image"], ["half"], to=TensorProto.FLOAT16),
    helper.make_node("MatMul", ["half", "w"], ["narrow"]),
    helper.make_node("Cast", ["narrow"], ["features"], to=FLOAT),
]
DYNAMIC = [helper.make_node("MatMulInteger", ["steps", "w"], ["features"])]


@pytest.mark.parametrize(
    ("nodes", "dtype", "unlisted"),
    [
        ([PRODUCT], "float32", None),
        ([PRODUCT], "float64", "float64 weights"),
        (HALVED, "float16", "float16 weights"),
        (DEQUANTISED, "int8", "int8 weights"),
        (DYNAMIC, "uint8", "uint8 weights"),
    ],
)
def test_a_file_says_the_type_of_its_weights(
    tmp_path: Path, nodes: list[onnx.NodeProto], dtype: str, unlisted: str | None
) -> None:
    found = structure(saved(tmp_path / "typed.onnx", nodes, weight_of(dtype)))
    assert ONNX.unlisted_precision(found) == unlisted
