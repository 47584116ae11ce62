"""Linear layers in int8 and int4, as XNNPACK computes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from pe_validate.system.quiet import quiet_libraries

GROUP: Final = 32
"""Weights that share a scale in 4 bits."""


def quantize_weights(module: nn.Module, bits: Literal[8, 4]) -> nn.Module:
    """Quantise the linear layers of ``module`` in place: int8 activations, scaled for each token as it comes.

    Weights of 8 bits have a scale for each output channel, those of 4 bits one for each group of 32.
    """
    with quiet_libraries():
        from torchao.quantization import Int8DynamicActivationIntxWeightConfig, quantize_
        from torchao.quantization.granularity import PerAxis, PerGroup
        from torchao.quantization.quant_primitives import MappingType

        granularity = PerAxis(0) if bits == 8 else PerGroup(GROUP)
        dtype = torch.int8 if bits == 8 else torch.int4  # type: ignore[attr-defined]  # not in its stubs
        config = Int8DynamicActivationIntxWeightConfig(
            weight_dtype=dtype,
            weight_granularity=granularity,
            # The largest weight of a group sets its scale, so none is clipped: 3 dB better in int4.
            weight_mapping_type=MappingType.SYMMETRIC_NO_CLIPPING_ERR,
            # XNNPACK keeps the scales of groups in bfloat16; those of channels are float32.
            weight_scale_dtype=torch.bfloat16 if bits == 4 else None,
        )
        quantize_(module, config)
    return module


def calibrate(module: nn.Module, images: Sequence[NDArray[np.float32]]) -> nn.Module:
    """Return ``module`` with int8 linear layers, whose activations are scaled once, for one ``images`` or more."""
    with quiet_libraries(), torch.no_grad():
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

        quantizer = XNNPACKQuantizer()
        quantizer.set_module_type(nn.Linear, get_symmetric_quantization_config(is_per_channel=True))
        quantizer.set_filter_function(_before_projection)
        prepared = prepare_pt2e(torch.export.export(module, (torch.from_numpy(images[0]),)).module(), quantizer)
        # Ranges are searched for in histograms: what float32 rounds otherwise on another machine moves some by 2 %.
        prepared.double()
        for image in images:
            prepared(torch.from_numpy(image).double())
        quantised: nn.Module = convert_pt2e(prepared.float())
    return quantised


def _before_projection(node: fx.Node) -> bool:
    # A quantised layer that reads a residual sum makes XNNPACK's partitioner (ExecuTorch 1.4.1) take the sum for a
    # quantised one, whose other reader then closes a cycle. Only the last projection reads one.
    return not any(name.endswith("projection") for name, _ in node.meta.get("nn_module_stack", {}).values())
