"""What ``predict`` takes and gives: images, flexible shapes, functions, optional inputs and other types of number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mil_networks import Quiet
from PIL import Image
from torch import Tensor, nn

from pe_validate.mil import load
from pe_validate.system.errors import RunError

Convert = Callable[..., Path]
RNG = np.random.default_rng(5)


class Double(nn.Module):
    """Twice its input, plus one."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x + 1


class Centre(nn.Module):
    """Its input and its input without the mean."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x - x.mean((2, 3), keepdim=True)


@pytest.fixture
def convert(ct: Any, quiet: Quiet, tmp_path: Path) -> Convert:
    """Save a module, traced on ``example``, with coremltools' own description of inputs and outputs."""

    def save(module: nn.Module, example: Tensor, inputs: list[Any], name: str = "model", **options: Any) -> Path:
        path = tmp_path / f"{name}.mlpackage"
        with quiet():
            traced = torch.jit.trace(module, example, check_trace=False)
            model = ct.convert(
                traced,
                inputs=inputs,
                convert_to="mlprogram",
                compute_precision=ct.precision.FLOAT32,
                minimum_deployment_target=ct.target.iOS18,
                skip_model_load=True,
                **options,
            )
            model.save(str(path))
        return path

    return save


@pytest.fixture
def picture() -> Image.Image:
    """7 pixels wide and 5 high, in colours that a mistaken order shows."""
    return Image.fromarray(RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8))


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_an_image_arrives_scaled_in_the_declared_order(
    ct: Any, convert: Convert, picture: Image.Image, layout: str
) -> None:
    kind = ct.ImageType("x", (1, 3, 5, 7), scale=1 / 127.5, bias=[-1, -0.5, 0], color_layout=layout)
    path = convert(Double(), torch.zeros(1, 3, 5, 7), [kind], outputs=[ct.TensorType(name="y")])
    pixels = np.asarray(picture, np.float32).transpose(2, 0, 1)[:: 1 if layout == "RGB" else -1]
    expected = 2 * (pixels / 127.5 + np.array([-1, -0.5, 0]).reshape(3, 1, 1)) + 1
    np.testing.assert_allclose(load(path).predict({"x": picture})["y"][0], expected, atol=1e-5)


def test_an_image_in_grey_has_one_channel(ct: Any, convert: Convert, picture: Image.Image) -> None:
    kind = ct.ImageType("x", (1, 1, 5, 7), color_layout="G")
    path = convert(Double(), torch.zeros(1, 1, 5, 7), [kind], outputs=[ct.TensorType(name="y")])
    grey = picture.convert("L")
    np.testing.assert_allclose(load(path).predict({"x": grey})["y"][0, 0], 2.0 * np.asarray(grey) + 1)


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_an_image_leaves_as_it_came(ct: Any, convert: Convert, picture: Image.Image, layout: str) -> None:
    given = ct.ImageType("x", (1, 3, 5, 7), color_layout=layout)
    path = convert(nn.ReLU(), torch.zeros(1, 3, 5, 7), [given], outputs=[ct.ImageType("y", color_layout=layout)])
    returned = load(path).predict({"x": picture})["y"]
    np.testing.assert_array_equal(np.asarray(returned), np.asarray(picture))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.zeros((1, 3, 5, 7), np.float32), "as a PIL image of mode RGB, but was given ndarray"),
        (Image.new("L", (7, 5)), "as a PIL image of mode RGB, but was given an image of mode L"),
        (Image.new("RGB", (5, 7)), "x: RGB image[1, 3, 5, 7], but was given 5 × 7 pixels"),
    ],
    ids=["array", "mode", "size"],
)
def test_another_image_than_declared_is_refused(ct: Any, convert: Convert, value: object, expected: str) -> None:
    path = convert(nn.ReLU(), torch.zeros(1, 3, 5, 7), [ct.ImageType("x", (1, 3, 5, 7))])
    with pytest.raises(RunError) as caught:
        load(path).predict({"x": value})
    assert expected in str(caught.value)


def test_a_range_of_shapes_is_resolved_at_the_input(ct: Any, convert: Convert) -> None:
    shape = ct.Shape((1, 3, ct.RangeDim(4, 9, default=6), ct.RangeDim(4, 64, default=6)))
    path = convert(Centre(), torch.zeros(1, 3, 6, 6), [ct.TensorType("x", shape)])
    program = load(path)
    names = [spec.name for spec in program.outputs]
    for size in ((4, 4), (9, 5), (6, 40)):
        x = RNG.standard_normal((1, 3, *size), np.float32)
        outputs = program.predict({"x": x})
        np.testing.assert_array_equal(outputs[names[0]], x)
        np.testing.assert_allclose(outputs[names[1]], x - x.mean((2, 3), keepdims=True), atol=1e-6)
    with pytest.raises(RunError, match=r"x: float32\[1, 3, 4\.\.9, 4\.\.64\], but was given float32\[1, 3, 10, 6\]"):
        program.predict({"x": np.zeros((1, 3, 10, 6), np.float32)})


def test_only_enumerated_shapes_are_taken(ct: Any, convert: Convert) -> None:
    shapes = ct.EnumeratedShapes([(1, 3, 4, 4), (1, 3, 6, 8)], default=(1, 3, 4, 4))
    path = convert(Double(), torch.zeros(1, 3, 4, 4), [ct.TensorType("x", shapes)], outputs=[ct.TensorType(name="y")])
    program = load(path)
    x = RNG.standard_normal((1, 3, 6, 8), np.float32)
    np.testing.assert_array_equal(program.predict({"x": x})["y"], 2 * x + 1)
    with pytest.raises(RunError, match=r"\[1, 3, 4, 4\] or \[1, 3, 6, 8\], but was given float32\[1, 3, 4, 8\]"):
        program.predict({"x": np.zeros((1, 3, 4, 8), np.float32)})


def test_each_function_of_a_package_can_be_called(ct: Any, quiet: Quiet, convert: Convert, tmp_path: Path) -> None:
    kind = [ct.TensorType("x", (1, 4))]
    named = {"outputs": [ct.TensorType(name="y")]}
    double = convert(Double(), torch.zeros(1, 4), kind, "double", **named)
    rectified = convert(nn.ReLU(), torch.zeros(1, 4), kind, "rectified", **named)
    both = tmp_path / "both.mlpackage"
    with quiet():
        description = ct.utils.MultiFunctionDescriptor()
        description.add_function(str(double), src_function_name="main", target_function_name="twice")
        description.add_function(str(rectified), src_function_name="main", target_function_name="positive")
        description.default_function_name = "positive"
        ct.utils.save_multifunction(description, str(both))
    x = np.array([[-2, -1, 0, 3]], np.float32)
    np.testing.assert_array_equal(load(both).predict({"x": x})["y"], [[0, 0, 0, 3]])
    np.testing.assert_array_equal(load(both, function_name="twice").predict({"x": x})["y"], [[-3, -1, 1, 7]])
    with pytest.raises(RunError, match="has no function 'thrice': choose one of positive, twice"):
        load(both, function_name="thrice")


def test_an_optional_input_has_its_default(ct: Any, convert: Convert) -> None:
    kind = ct.TensorType("x", (1, 4), default_value=np.full((1, 4), 3, np.float32))
    path = convert(Double(), torch.zeros(1, 4), [kind], outputs=[ct.TensorType(name="y")])
    np.testing.assert_array_equal(load(path).predict({})["y"], [[7, 7, 7, 7]])


def test_numbers_of_another_type_are_converted(ct: Any, convert: Convert) -> None:
    path = convert(Double(), torch.zeros(1, 4), [ct.TensorType("x", (1, 4))], outputs=[ct.TensorType(name="y")])
    for x in ([[1, 2, 3, 4]], np.arange(1, 5).reshape(1, 4), np.arange(1.0, 5).reshape(1, 4)):
        np.testing.assert_array_equal(load(path).predict({"x": x})["y"], np.array([[3, 5, 7, 9]], np.float32))


def test_a_fraction_for_an_integer_is_refused(ct: Any, convert: Convert) -> None:
    kind = [ct.TensorType("x", (1, 4), dtype=np.int32)]
    path = convert(Double(), torch.zeros(1, 4, dtype=torch.int32), kind, outputs=[ct.TensorType(name="y")])
    np.testing.assert_array_equal(load(path).predict({"x": [[1.0, 2.0, 3.0, 4.0]]})["y"], [[3, 5, 7, 9]])
    with pytest.raises(RunError, match="was given values that are no int32"):
        load(path).predict({"x": [[1.5, 2, 3, 4]]})


@pytest.mark.parametrize("classes", [["cat", "dog", "fox"], [5, 7, 9]], ids=["names", "numbers"])
def test_a_classifier_gives_its_label_and_every_probability(ct: Any, convert: Convert, classes: list[Any]) -> None:
    config = ct.ClassifierConfig(classes)
    path = convert(nn.Softmax(-1), torch.zeros(1, 3), [ct.TensorType("x", (1, 3))], classifier_config=config)
    outputs = load(path).predict({"x": np.log([[0.2, 0.5, 0.3]])})
    assert outputs["classLabel"] == classes[1]
    assert outputs["classLabel_probs"] == pytest.approx(dict(zip(classes, (0.2, 0.5, 0.3), strict=True)))
