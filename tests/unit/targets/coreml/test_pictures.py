"""Packages that take or give images: sound ones pass, and a wrong scale, bias or order of colours is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coreml_packages import SIDE, save
from torch import Tensor, nn

from pe_validate.data.result import Result
from pe_validate.data.tensors import TensorSpec
from pe_validate.mil.inspection import inspect
from pe_validate.reference.pixels import of_pixels
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import RunError
from pe_validate.targets.coreml.pictures import as_array, as_declared
from pe_validate.targets.coreml.runtime import CoreMLRuntime

pytestmark = pytest.mark.filterwarnings("ignore")  # coremltools 9.0 warns of its own dependencies

Judge = Callable[..., Result]
References = dict[str, Reference]
RIGHT: dict[str, Any] = {"scale": 1 / 127.5, "bias": [-1.0, -1.0, -1.0]}


class Reversed(nn.Module):
    """A module that takes blue first."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.module(image.flip(1))
        return features


def picture(ct: Any, channels: int = 3, **options: Any) -> list[Any]:
    return [ct.ImageType("image", (1, channels, SIDE, SIDE), **options)]


@pytest.mark.parametrize("precision", ["FLOAT16", "FLOAT32"])
def test_a_sound_package_with_an_image_input_passes_every_gate(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path, precision: str
) -> None:
    module = encoders["colour"].module
    result = judged(save(module, tmp_path / "m.mlpackage", precision=precision, inputs=picture(ct, **RIGHT)))
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts]
    interface = result.verdict("interface")
    assert interface
    assert "an app hands over for 'image' a pixel buffer, 16 pixels wide and 16 high" in interface.sentence
    assert "which Core ML reads as RGB; it does not normalise" in interface.sentence


def test_a_package_that_reads_blue_first_passes_if_its_model_takes_blue_first(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path
) -> None:
    inputs = picture(ct, color_layout=ct.colorlayout.BGR, **RIGHT)
    path = save(Reversed(encoders["colour"].module), tmp_path / "m.mlpackage", inputs=inputs)
    assert judged(path).status == "pass"
    assert inspect(path).inputs == ("image: BGR image, 16 by 16",)


def test_a_sound_package_in_grey_passes(ct: Any, encoders: References, judged: Judge, tmp_path: Path) -> None:
    inputs = picture(ct, 1, color_layout=ct.colorlayout.GRAYSCALE, scale=1 / 127.5, bias=-1.0)
    path = save(encoders["grey"].module, tmp_path / "m.mlpackage", channels=1, inputs=inputs)
    result = judged(path, "grey")
    assert result.status == "pass", [verdict.sentence for verdict in result.verdicts]
    assert inspect(path).inputs == ("image: GRAYSCALE image, 16 by 16",)


@pytest.mark.parametrize("fault", ["scale", "bias", "colours"])
def test_a_wrong_scale_bias_or_order_of_colours_fails_identity_and_loss(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path, fault: str
) -> None:
    faults: dict[str, dict[str, Any]] = {
        "scale": {"scale": 1 / 255},
        "bias": {"scale": 1 / 127.5, "bias": [-1.0, -1.0, -0.9]},
        "colours": RIGHT | {"color_layout": ct.colorlayout.BGR},
    }
    result = judged(save(encoders["colour"].module, tmp_path / "m.mlpackage", inputs=picture(ct, **faults[fault])))
    assert {v.gate for v in result.verdicts if v.status == "fail"} >= {"identity", "loss"}


def test_a_grey_package_of_a_model_in_colour_is_another_model(
    ct: Any, encoders: References, judged: Judge, tmp_path: Path
) -> None:
    inputs = picture(ct, 1, color_layout=ct.colorlayout.GRAYSCALE, scale=1 / 127.5, bias=-1.0)
    path = save(encoders["grey"].module, tmp_path / "m.mlpackage", channels=1, inputs=inputs)
    identity = judged(path).verdict("identity")
    assert identity
    assert "it takes image: GRAYSCALE image, 16 by 16, the model image: float32[1, 3, 16, 16]" in identity.sentence


def test_pixels_are_recovered_from_the_inputs_of_the_model(encoders: References) -> None:
    for reference in encoders.values():
        seen = of_pixels(reference)
        for pixels, given in zip(seen.inputs, reference.inputs, strict=True):
            assert np.array_equal(pixels.image, pixels.image.astype(np.uint8))
            np.testing.assert_allclose(pixels.image / 127.5 - 1, given.image, atol=1e-6)
        for name, features in reference.trained.features.items():
            np.testing.assert_allclose(seen.trained.features[name], features, atol=1e-4)


def test_a_model_whose_inputs_are_no_images_has_no_pixels(encoders: References) -> None:
    from dataclasses import replace

    from pe_validate.inputs.feed import ArrayFeed, ImageFeed
    from pe_validate.reference.pixels import PixelModel

    reference = encoders["colour"]
    assert isinstance(reference.model.feed, ImageFeed)
    model = PixelModel(reference.model, reference.model.feed)
    model.feed = ArrayFeed((1, 3, SIDE, SIDE))
    with pytest.raises(RunError, match="how colour makes its input from pixels is not known: give 'preprocessing'"):
        of_pixels(replace(reference, model=model))


class Brighter(nn.Module):
    """An image for an image: a model that gives pixels."""

    def forward(self, image: Tensor) -> Tensor:
        return image * 100.0 + 110.3


@pytest.mark.parametrize("layout", ["RGB", "BGR"])
def test_an_image_output_is_judged_before_its_pixels_are_rounded(ct: Any, tmp_path: Path, layout: str) -> None:
    outputs = [ct.ImageType(name="features", color_layout=layout)]
    path = save(Brighter(), tmp_path / "m.mlpackage", precision="FLOAT32", outputs=outputs)
    runtime = CoreMLRuntime(path, "exact")
    assert [str(spec) for spec in runtime.outputs] == [f"features: {layout} image, 16 by 16"]
    image = np.random.default_rng(0).uniform(-1, 2, (1, 3, SIDE, SIDE)).astype(np.float32)
    expected = np.clip(image * 100 + np.float32(110.3), 0, 255)
    np.testing.assert_allclose(runtime.run(image), expected if layout == "RGB" else expected[:, ::-1], rtol=1e-6)


@pytest.mark.parametrize("colours", ["RGB", "GRAYSCALE"])
def test_an_image_is_an_array_again(colours: str) -> None:
    shape = (1, 3 if colours == "RGB" else 1, 5, 7)
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.float32)
    spec = TensorSpec("x", shape, "float32", pixels=colours)
    np.testing.assert_array_equal(as_array(as_declared(pixels, spec)), pixels)
    with pytest.raises(RunError, match=f"takes x: {colours} image, 7 by 5: give its pixels as whole numbers"):
        as_declared(pixels / 127.5 - 1, spec)


def test_an_image_of_half_floats_takes_the_values_of_the_model() -> None:
    spec = TensorSpec("x", (1, 1, 5, 7), "float16", pixels="GRAYSCALE_FLOAT16")
    values = np.random.default_rng(0).standard_normal((1, 1, 5, 7)).astype(np.float16)
    np.testing.assert_array_equal(as_array(as_declared(values, spec)), values.astype(np.float32))
