"""Weights that a Core ML package stores in fewer bits: coremltools' own compression, of the PyTorch module.

The compressed module is both what is converted and what fidelity is measured against: its weights are the decompressed
ones, and buffers beside them tell the converter how to store them. Linear layers are compressed. The patch convolution,
position and RoPE tables, norms and biases stay in float16.
"""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from typing import Any, Final, Literal

import torch
from torch import Tensor, nn

from pe_validate.system.quiet import quiet_libraries

Compression = Literal["int8-weights", "int4-weights", "palette-8", "palette-6"]
"""`int8-weights`: a scale for each output channel. `int4-weights`: for each group of 32.

`palette`: a table of 2ⁿ values for each layer, found by k-means.
"""

BLOCK: Final = 32

_SCALE: Final = "_COREML_/weight/quantization_scale"
_TABLE: Final = "_COREML_/weight/lut"


def compress_weights(module: nn.Module, compression: Compression) -> nn.Module:
    """Compress the linear layers of ``module``; scales and tables are float16, as the package stores them."""
    with quiet_libraries(), redirect_stderr(StringIO()):  # a progress bar that cannot be turned off
        compressed = _compressor(module, compression).compress(inplace=True)
    with torch.no_grad():
        for layer in compressed.modules():
            if isinstance(layer, nn.Linear):
                _narrow(layer)
    kept: nn.Module = compressed
    return kept


def _compressor(module: nn.Module, compression: Compression) -> Any:
    from coremltools.optimize.torch import palettization, quantization

    if compression.startswith("palette"):
        settings: dict[str, Any] = {"n_bits": int(compression.rpartition("-")[2]), "granularity": "per_tensor"}
        chosen = palettization.PostTrainingPalettizerConfig.from_dict({"module_type_configs": {nn.Linear: settings}})
        return palettization.PostTrainingPalettizer(module, chosen)
    if compression == "int8-weights":
        settings = {"weight_dtype": "int8", "granularity": "per_channel"}
    else:
        settings = {"weight_dtype": "int4", "granularity": "per_block", "block_size": BLOCK}
    config = quantization.PostTrainingQuantizerConfig.from_dict({"module_type_configs": {nn.Linear: settings}})
    return quantization.PostTrainingQuantizer(module, config)


def _narrow(layer: nn.Linear) -> None:
    """Round scales and tables, and the weights with them."""
    buffers = dict(layer.named_buffers(recurse=False))
    if _TABLE in buffers:
        buffers[_TABLE].copy_(buffers[_TABLE].half())
        layer.weight.copy_(layer.weight.half())  # every weight is an entry of the table
    if _SCALE in buffers:
        scale = buffers[_SCALE]
        steps = torch.round(layer.weight / _spread(scale, layer.weight))
        scale.copy_(scale.half())
        layer.weight.copy_(steps * _spread(scale, layer.weight))


def _spread(scale: Tensor, weight: Tensor) -> Tensor:
    """A scale for every weight; one that is 0 belongs to weights that are 0."""
    whole = scale.repeat_interleave(weight.shape[1] // scale.shape[1], 1)
    return torch.where(whole == 0, 1, whole)
