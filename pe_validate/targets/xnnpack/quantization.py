"""Quantisation of linear layers to int8 and int4, in the forms that XNNPACK computes."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from pe_validate.data.recipe import Images
from pe_validate.system.errors import ExportError
from pe_validate.system.quiet import quiet_libraries

GROUP: Final = 32
"""Number of 4-bit weights that share a scale."""


def quantize_weights(module: nn.Module, bits: Literal[8, 4]) -> nn.Module:
    """Quantise the linear layers of ``module`` in place, with int8 activations that are scaled per token at run time.

    8-bit weights have a scale per output channel, 4-bit weights one per group of 32.

    Raises:
        ExportError: the groups do not divide a layer's inputs.
    """
    if bits == 4:
        _require_groups(module)
    with quiet_libraries():
        from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
        from torchao.quantization.granularity import PerAxis, PerGroup
        from torchao.quantization.quant_primitives import MappingType

        granularity = PerAxis(0) if bits == 8 else PerGroup(GROUP)
        dtype = torch.int8 if bits == 8 else torch.int4  # type: ignore[attr-defined]  # not in its stubs
        config = Int8DynamicActivationIntxWeightConfig(
            weight_dtype=dtype,
            weight_granularity=granularity,
            # The largest weight of a group sets its scale, so that none is clipped: 3 dB better in int4.
            weight_mapping_type=MappingType.SYMMETRIC_NO_CLIPPING_ERR,
            # XNNPACK stores scales per group in bfloat16, and scales per channel in float32.
            weight_scale_dtype=torch.bfloat16 if bits == 4 else None,
        )
        quantize_(module, config)
    return module


def _require_groups(module: nn.Module) -> None:
    for name, layer in module.named_modules():
        if isinstance(layer, nn.Linear) and layer.in_features % GROUP:
            raise ExportError(
                f"int4 has a scale for every {GROUP} weights of a row, and layer '{name}' has {layer.in_features} "
                "inputs: quantise it to int8."
            )


def calibrate(module: nn.Module, images: Images) -> nn.Module:
    """Return ``module`` with int8 linear layers, whose activations have fixed scales calibrated on ``images``."""
    with quiet_libraries(), torch.no_grad():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        quantizer = XNNPACKQuantizer()
        quantizer.set_module_type(nn.Linear, get_symmetric_quantization_config(is_per_channel=True))
        quantizer.set_filter_function(_reads_no_sum)
        prepared = prepare_pt2e(torch.export.export(module, _tensors(images[0])).module(), quantizer)
        # In float64, because ranges come from histograms: float32 rounding on another machine moves some by 2 %.
        prepared.double()
        for image in images:
            prepared(*(each.double() if each.is_floating_point() else each for each in _tensors(image)))
        quantised: nn.Module = convert_pt2e(prepared.float())
    return quantised


def _tensors(image: tuple[NDArray[np.generic], ...]) -> tuple[Tensor, ...]:
    return tuple(map(torch.from_numpy, image))


def _reads_no_sum(node: fx.Node) -> bool:
    # If a quantised layer reads a residual sum, XNNPACK's partitioner (ExecuTorch 1.4.1) treats the sum as quantised,
    # and its other reader then closes a cycle. In the towers only a vision tower's last projection reads one.
    source = node.args[0] if node.args else None
    while isinstance(source, fx.Node) and source.target in _VIEWS:
        source = source.args[0]
    return not (isinstance(source, fx.Node) and source.target == torch.ops.aten.add.Tensor)


_VIEWS: Final = (torch.ops.aten.view.default, torch.ops.aten.reshape.default, torch.ops.aten.flatten.using_ints)
