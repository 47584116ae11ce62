"""Compression of weights with coremltools, applied to the PyTorch module before conversion.

The compressed module is converted, and fidelity is measured against it: its weights hold the decompressed values, and
extra buffers tell the converter how to store them. Only linear layers are compressed. The patch convolution, the
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
"""`int8-weights`: one scale per output channel. `int4-weights`: one scale per group of 32.

`palette-n`: one table of 2ⁿ values per layer, found by k-means.
"""

BLOCK: Final = 32

_SCALE: Final = "_COREML_/weight/quantization_scale"
_TABLE: Final = "_COREML_/weight/lut"


def compress_weights(module: nn.Module, compression: Compression) -> nn.Module:
    """Compress the linear layers of ``module`` in place; scales and tables are rounded to float16, as stored."""
    with quiet_libraries(), redirect_stderr(StringIO()):  # its progress bar cannot be turned off
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
    """Round scales and tables to float16, and adjust the weights accordingly."""
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
    """Return the scale of every weight, with 1 for scales of 0, whose weights are all 0."""
    whole = scale.repeat_interleave(weight.shape[1] // scale.shape[1], 1)
    return torch.where(whole == 0, 1, whole)
