"""Models that other people exported: any names, free axes, several outputs."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pe_validate.system.errors import ExplainError, RunError
from pe_validate.targets.onnx import ONNX
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
