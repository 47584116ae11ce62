"""Options that do something else than what the file is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from planting import fault
from torch import nn

from pe_validate.case import Case
from pe_validate.data.tensors import OUTPUT_NAME
from pe_validate.models.perception_encoder.vision.deploy import deploy
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.targets import worker
from pe_validate.targets.base import Example
from pe_validate.targets.coreml import compression
from pe_validate.targets.coreml import write as to_mlpackage
from pe_validate.targets.recipes import lowered
from pe_validate.targets.xnnpack import write as to_pte


def handed(patch: pytest.MonkeyPatch, make: Any) -> None:
    patch.setattr(worker, "lowered", make)


@fault("exporter", kinds=("mlpackage/fp32",))
def float16_instead_of_float32(patch: pytest.MonkeyPatch) -> None:
    """The package computes in float16, which is coremltools' default."""
    write = to_mlpackage.write_mlpackage

    def narrow(module: nn.Module, example: Example, path: Any, metadata: dict[str, str], precision: str) -> None:
        write(module, example, path, metadata, "fp16")

    patch.setattr(to_mlpackage, "write_mlpackage", narrow)


@fault("exporter", kinds=("mlpackage/fp16",))
def float16_output_of_a_package(patch: pytest.MonkeyPatch) -> None:
    """The features are declared as float16, and apps read float32."""
    import coremltools

    declare = coremltools.TensorType

    def narrow(name: str, dtype: type, **options: Any) -> Any:
        return declare(name=name, dtype=np.float16 if name == OUTPUT_NAME else dtype, **options)

    patch.setattr(coremltools, "TensorType", narrow)


@fault("exporter", kinds=("pte/fp32",))
def nothing_delegated(patch: pytest.MonkeyPatch) -> None:
    """The partitioner was forgotten: every operator is a portable kernel."""

    def lower(program: Any, constants: dict[str, str]) -> Any:
        from executorch.exir import to_edge_transform_and_lower

        return to_edge_transform_and_lower(program, partitioner=[], constant_methods=constants)

    patch.setattr(to_pte, "lower_whole", lower)


@fault("exporter", kinds=("pte/fp32",))
def fragmented_graph(patch: pytest.MonkeyPatch) -> None:
    """LayerNorm is an operator, which stays outside of the delegate and cuts the graph in many pieces."""
    handed(patch, lambda tower, case, images: deploy(tower, style="fused"))


@fault("exporter", kinds=("pte/int8",))
def four_bits_instead_of_eight(patch: pytest.MonkeyPatch) -> None:
    """The file is called int8, and its weights have four bits."""
    handed(patch, lambda tower, case, images: lowered(tower, replace(case, precision="int4"), images))


@fault("exporter", kinds=("pte/int8", "pte/int4", "pte/int8-static"))
def not_quantised(patch: pytest.MonkeyPatch) -> None:
    """Quantisation matched no layer, and the program is float32 under another name."""
    handed(patch, lambda tower, case, images: lowered(tower, replace(case, precision="fp32"), images))


@fault("exporter", kinds=("pte/int8-static",))
def one_scale_for_a_whole_matrix(patch: pytest.MonkeyPatch) -> None:
    """Weights are scaled per tensor and not per channel."""
    from executorch.backends.xnnpack.quantizer import xnnpack_quantizer

    configuration = xnnpack_quantizer.get_symmetric_quantization_config

    def whole(is_per_channel: bool) -> Any:
        return configuration(is_per_channel=False)

    patch.setattr(xnnpack_quantizer, "get_symmetric_quantization_config", whole)


@fault("exporter", kinds=("mlpackage/int8",))
def one_scale_for_each_matrix_of_a_package(patch: pytest.MonkeyPatch) -> None:
    """Weights are scaled per tensor and not per channel."""
    spread = compression._narrow

    def whole(layer: nn.Linear) -> None:
        scale = layer.get_buffer(compression._SCALE)
        largest = scale.max().expand_as(scale).clone()
        layer.weight.copy_(torch.round(layer.weight / largest) * largest)
        scale.copy_(largest)
        spread(layer)

    patch.setattr(compression, "_narrow", whole)


@fault("exporter", kinds=("mlpackage/int8", "mlpackage/int8-palette"))
def not_compressed(patch: pytest.MonkeyPatch) -> None:
    """Compression matched no layer, and the package holds float16 under another name."""
    handed(patch, lambda tower, case, images: lowered(tower, Case(case.model, "mlpackage", "fp16"), images))


@fault("exporter", kinds=("onnx/fp32", "pte/fp32", "mlpackage/fp16", "coreai/fp32"))
def training_mode(patch: pytest.MonkeyPatch) -> None:
    """The model was exported as it is trained: each branch is scaled by its survival rate, one in ten dropped."""

    def training(tower: VisionTower, case: Case, images: Any) -> Any:
        module: Any = lowered(tower, case, images)
        module.encoder.block5.contract.weight.mul_(0.9)
        return module

    handed(patch, training)
