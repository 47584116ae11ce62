"""What the exporter was handed is not what was validated: quantised wrongly, or with a wrapper around it."""

from __future__ import annotations

from typing import Any

import torch
from planting import SPATIAL, SPATIAL_KINDS, fault
from torch import Tensor, nn

INT8 = ("pte/int8",)
CHANNELS = ("pte/int8", "mlpackage/int8")
STATIC = ("pte/int8-static",)


class Wrapped(nn.Module):
    """A module with something before or after it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module


@fault("graph", kinds=("onnx/fp32", "pte/fp32", "mlpackage/fp16", "pte-coreml/fp16", "coreai/fp16"))
def not_a_number_for_black_images(module: nn.Module) -> nn.Module:
    """A division by the image's spread was added, and a black image has none."""

    class Divided(Wrapped):
        def forward(self, image: Tensor) -> Tensor:
            above = (image + 1).amax((1, 2, 3), keepdim=True).flatten(1)
            features: Tensor = self.module(image)
            return features * (above / above)

    return Divided(module)


@fault("graph", kinds=("onnx/fp32", "pte/fp32", "mlpackage/fp16", "pte-coreml/fp16", "coreai/fp16"))
def wrong_for_white_images_alone(module: nn.Module) -> nn.Module:
    """Brightness saturates, which only an image that is white everywhere reaches."""

    class Saturated(Wrapped):
        def forward(self, image: Tensor) -> Tensor:
            white = torch.clamp(image.mean((1, 2, 3), keepdim=True).flatten(1) - 0.99, 0, 1)
            features: Tensor = self.module(image)
            return features * (1 - 50 * white)

    return Saturated(module)


@fault(
    "graph", "patches", kinds=("onnx/fp32", "pte/fp32", "pte/int8", "mlpackage/fp16", "pte-coreml/fp16", "coreai/fp16")
)
def channels_last_read_as_channels_first(module: nn.Module) -> nn.Module:
    """The image's memory is taken to be [height, width, 3]."""

    class Reread(Wrapped):
        def forward(self, image: Tensor) -> Tensor:
            size = image.shape[2]
            features: Tensor = self.module(image.reshape(1, size, size, 3).permute(0, 3, 1, 2))
            return features

    return Reread(module)


@fault("graph", kinds=("onnx/fp32", "pte/fp32"))
def float16_output(module: nn.Module) -> nn.Module:
    """The features are declared as float16, and apps read float32."""

    class Narrow(Wrapped):
        def forward(self, image: Tensor) -> Tensor:
            features: Tensor = self.module(image)
            return features.half()

    return Narrow(module)


@fault("graph", kinds=("pte/fp32",))
def one_call_late(module: nn.Module) -> nn.Module:
    """The program keeps its answer in a buffer, and gives the one before."""

    class Late(Wrapped):
        kept: Tensor

        def __init__(self, module: nn.Module) -> None:
            super().__init__(module)
            self.register_buffer("kept", torch.zeros(1, 64))

        def forward(self, image: Tensor) -> Tensor:
            before = self.kept.clone()
            self.kept.copy_(self.module(image))
            return before

    return Late(module)


@fault("graph", "block 5 attention")
def activations_clipped_at_6(module: Any) -> Any:
    """The residual stream enters a block through a ReLU6's upper bound."""

    class Clipped(Wrapped):
        def forward(self, x: Tensor) -> Tensor:
            clipped: Tensor = self.module(torch.clamp(x, -1e4, 6.0))
            return clipped

    module.encoder.block5 = Clipped(module.encoder.block5)
    return module


@fault("graph", kinds=("onnx/fp32",))
def noise_left_in(module: nn.Module) -> nn.Module:
    """A dropout's noise is still drawn, too small to be seen in any one answer."""

    class Noisy(Wrapped):
        def forward(self, image: Tensor) -> Tensor:
            features: Tensor = self.module(image)
            return features + 1e-6 * torch.randn_like(features)

    return Noisy(module)


@fault("graph", kinds=SPATIAL_KINDS, model=SPATIAL)
def class_token_dropped_from_spatial_output(module: nn.Module) -> nn.Module:
    """A Spatial model gives its patches alone."""

    class Dropped(Wrapped):
        def forward(self, image: Tensor) -> Tensor:
            features: Tensor = self.module(image)
            return features[:, 1:]

    return Dropped(module)


def scales(layer: Any) -> Tensor:
    """One for each channel, ``[channels, …]``: torchao's, or coremltools'."""
    found: Tensor = layer.weight.scale if hasattr(layer.weight, "scale") else layer.get_buffer(COREML_SCALE)
    return found


COREML_SCALE = "_COREML_/weight/quantization_scale"


def rescale(layer: Any, scale: Tensor) -> None:
    """Give the stored integers of a layer another scale; coremltools keeps their products with the old one."""
    before = scales(layer)
    if not hasattr(layer.weight, "scale"):
        layer.weight.mul_(scale / before)
    before.copy_(scale)


@fault("graph", "block 2 MLP", kinds=CHANNELS)
def one_channels_scale_doubled(module: Any) -> Any:
    """The scale of one output channel of one int8 layer is twice what it was."""
    layer = module.encoder.block2.contract
    doubled = scales(layer).clone()
    doubled[5] *= 2
    rescale(layer, doubled)
    return module


@fault("graph", "block 3 MLP", kinds=CHANNELS)
def one_scale_for_all_channels(module: Any) -> Any:
    """The channels of one layer share their mean scale."""
    layer = module.encoder.block3.expand
    rescale(layer, scales(layer).mean().expand_as(scales(layer)).clone())
    return module


@fault("graph", "block 4 attention", kinds=INT8)
def signs_of_one_layer_lost(module: Any) -> Any:
    """The int8 weights of one layer were written as if they had no sign."""
    module.encoder.block4.attention.value.weight.qdata.abs_()
    return module


@fault("graph", "block 1 attention", kinds=INT8)
def halves_of_an_int8_layer_exchanged(module: Any) -> Any:
    """A packed layer was unpacked in the wrong order."""
    weight = module.encoder.block1.attention.even.weight.qdata
    weight.copy_(weight.roll(len(weight) // 2, dims=0))
    return module


def quantizers(module: Any) -> list[Any]:
    names = ("quantize_per_tensor", "dequantize_per_tensor")
    return [node for node in module.graph.nodes if any(name in str(node.target) for name in names)]


@fault("graph", kinds=STATIC, refused=True)
def zero_point_off_by_one(module: Any) -> Any:
    """Every activation is read with a zero point that is one too high."""
    for node in quantizers(module):
        if "dequantize" in str(node.target):
            node.args = (*node.args[:2], node.args[2] + 1, *node.args[3:])
    module.recompile()
    return module


@fault("graph", kinds=STATIC)
def calibrated_on_half_the_range(module: Any) -> Any:
    """The scales of activations come from images with half the contrast, so that what is larger is clipped."""
    for node in quantizers(module):
        node.args = (node.args[0], node.args[1] / 4, *node.args[2:])
    module.recompile()
    return module
