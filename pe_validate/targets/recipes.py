"""What each precision means for each target: the very graph that is lowered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import torch
from torch import Tensor, fx, nn

from pe_validate.case import Case
from pe_validate.inputs.images import Sample, crops, samples
from pe_validate.models.perception_encoder.vision.deploy import Style, deploy
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.system.errors import ExportError
from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.coreml.compression import Compression, compress_weights

Scheme = Literal["float32", "rounded", "half", "int8", "int8-static", "int4"] | Compression
"""What happens to the numbers before lowering.

`rounded`: weights and tables are rounded to float16 and computed with in float32; the exporter narrows them.
`half`: everything is float16, input and output included. `int8`: linear layers take int8 activations, scaled for
each token as it comes, and int8 weights, scaled for each output channel. `int4`: the same with 4-bit weights in
groups of 32. `int8-static`: activations are scaled once for each tensor, by calibration. The others are compressed
weights, computed with in float16.
"""

GROUP: Final = 32
"""Weights that share a scale in `int4`."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What decides the lowered graph of a model: cases that share a recipe share the graph."""

    style: Style
    scheme: Scheme

    @property
    def calibrated(self) -> bool:
        """Whether the graph depends on calibration images."""
        return self.scheme == "int8-static"

    @property
    def dtype(self) -> Literal["float16", "float32"]:
        """Of the artifact's input and output."""
        return "float16" if self.scheme == "half" else "float32"


RECIPES: Final[dict[tuple[str, str], Recipe]] = {
    ("onnx", "fp32"): Recipe("fused", "float32"),
    # nn.LayerNorm stays outside the XNNPACK delegate of ExecuTorch 1.4.1 and cuts the graph in 27 pieces.
    ("pte", "fp32"): Recipe("linear", "float32"),
    ("pte", "fp16"): Recipe("half", "half"),
    ("pte", "int8"): Recipe("linear", "int8"),
    ("pte", "int8-static"): Recipe("linear", "int8-static"),
    ("pte", "int4"): Recipe("linear", "int4"),
    # The other way round: coremltools 9.0's optimize_linear pass fails on the linear form.
    ("mlpackage", "fp32"): Recipe("fused", "float32"),
    ("mlpackage", "fp16"): Recipe("fused", "rounded"),
    ("mlpackage", "int8"): Recipe("fused", "int8-weights"),
    ("mlpackage", "int8-palette"): Recipe("fused", "palette-8"),
    ("mlpackage", "int6-palette"): Recipe("fused", "palette-6"),
    ("mlpackage", "int4"): Recipe("fused", "int4-weights"),
    ("pte-coreml", "fp16"): Recipe("fused", "rounded"),
    ("pte-coreml", "fp32"): Recipe("fused", "float32"),
}
"""How each target and precision is lowered."""


CALIBRATION_CROPS: Final = 16
CALIBRATION_SEED: Final = 1


def calibration_images(case: Case, folder: Path | None = None) -> tuple[Sample, ...]:
    """Parts of photographs on which the activations of ``case`` are scaled; none where nothing is calibrated.

    Raises:
        LoadError: the folder holds no photographs.
    """
    if not recipe(case).calibrated:
        return ()
    return samples(crops(case.config.image_size, CALIBRATION_CROPS, CALIBRATION_SEED, folder))


def recipe(case: Case) -> Recipe:
    """How ``case`` is lowered."""
    return RECIPES[case.target, case.precision]


def lowered(tower: VisionTower, case: Case, calibration: Sequence[Sample] = ()) -> nn.Module:
    """The module that the exporter is given for ``case``, and that fidelity is measured against.

    ``calibration`` is needed where activations are scaled once and for all.

    Raises:
        ExportError: a weight that is to be quantised is not finite, or there is nothing to calibrate on.
    """
    chosen = recipe(case)
    _require_finite(tower, case)
    module: nn.Module = deploy(tower, style=chosen.style)
    match chosen.scheme:
        case "float32":
            return module
        case "rounded":
            return _round(module)
        case "int8-weights" | "int4-weights" | "palette-8" | "palette-6":
            return compress_weights(_round(module), chosen.scheme)
        case "half":
            return module.half()
        case "int8" | "int4":
            return _quantize_weights(module, chosen.scheme)
        case "int8-static":
            if not calibration:
                raise ExportError(f"{case} scales its activations by calibration, and there are no images to do it on.")
            return _calibrate(module, [torch.from_numpy(sample.image) for sample in calibration])


def _round(module: nn.Module) -> nn.Module:
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            tensor.copy_(tensor.half())
    return module


def _require_finite(tower: VisionTower, case: Case) -> None:
    if case.precision.startswith("fp"):
        return  # what is not a number stays one, and every gate says so
    for name, tensor in tower.state_dict().items():
        if not tensor.isfinite().all():
            raise ExportError(f"{case} cannot be quantised: '{name}' holds a value that is not finite.")


def _quantize_weights(module: nn.Module, scheme: Literal["int8", "int4"]) -> nn.Module:
    with quiet_libraries():
        from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
        from torchao.quantization.granularity import PerAxis, PerGroup
        from torchao.quantization.quant_primitives import MappingType

        granularity = PerAxis(0) if scheme == "int8" else PerGroup(GROUP)
        dtype = torch.int8 if scheme == "int8" else torch.int4  # type: ignore[attr-defined]  # not in its stubs
        config = Int8DynamicActivationIntxWeightConfig(
            weight_dtype=dtype,
            weight_granularity=granularity,
            # The largest weight of a group sets its scale, so none is clipped: 3 dB better in int4.
            weight_mapping_type=MappingType.SYMMETRIC_NO_CLIPPING_ERR,
            # XNNPACK keeps the scales of groups in bfloat16; those of channels are float32.
            weight_scale_dtype=torch.bfloat16 if scheme == "int4" else None,
        )
        quantize_(module, config)
    return module


def _calibrate(module: nn.Module, images: Sequence[Tensor]) -> nn.Module:
    with quiet_libraries(), torch.no_grad():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        quantizer = XNNPACKQuantizer()
        quantizer.set_module_type(nn.Linear, get_symmetric_quantization_config(is_per_channel=True))
        quantizer.set_filter_function(_before_projection)
        prepared = prepare_pt2e(torch.export.export(module, (images[0],)).module(), quantizer)
        # Ranges are searched for in histograms: what float32 rounds otherwise on another machine moves some by 2 %.
        prepared.double()
        for image in images:
            prepared(image.double())
        quantised: nn.Module = convert_pt2e(prepared.float())
    return quantised


def _before_projection(node: fx.Node) -> bool:
    # A quantised layer that reads a residual sum makes XNNPACK's partitioner (ExecuTorch 1.4.1) take the sum for a
    # quantised one, whose other reader then closes a cycle. Only the last projection reads one.
    return not any(name.endswith("projection") for name, _ in node.meta.get("nn_module_stack", {}).values())
