"""Compression of weights with coreai-opt, applied to the PyTorch module before conversion.

Fidelity is measured against the compressed module: its weights hold the decompressed values, and buffers beside them
what is stored. When the file is written, the weights are taken from the buffers by operators that Apple's converter
turns into compressed constants. Only linear layers are compressed; everything else stays in float16.
"""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.coreai.libraries import COMPRESSOR, CONVERTER, library

BLOCK: Final = 32
"""Weights in a row that share a scale, in int4."""

COMPRESSED: Final = ("int8", "int4", "int8-palette", "int6-palette")
"""`int8`: one scale per output channel. `int4`: one per block of 32. Palettes: one table per layer, by k-means."""

SEED: Final = 7
"""Of k-means, which begins at random."""

STEPS: Final = "coreai_steps"
SCALE: Final = "coreai_scale"
PLACES: Final = "coreai_indices"
TABLE: Final = "coreai_lut"
"""Buffers of a compressed layer: whole numbers and their scales, or places in a table and the table.

coreai-torch 0.4.3 knows the last two by 'indices' and 'lut' in their names.
"""


def compress_weights(module: nn.Module, precision: str) -> nn.Module:
    """Compress the linear layers of ``module`` in place; scales and tables are rounded to float16, as stored."""
    with quiet_libraries(), redirect_stderr(StringIO()), torch.no_grad():  # its progress bar cannot be turned off
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                _compress(layer, precision)
    return module


def _compress(layer: nn.Linear, precision: str) -> None:
    copied = nn.Linear(layer.in_features, layer.out_features, bias=False)
    copied.weight.copy_(layer.weight)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(SEED)
        compressor = _compressor(nn.Sequential(copied).eval(), precision)
        compressor.prepare((torch.zeros(1, layer.in_features),))
        found = compressor.finalize(backend=library("coreai_opt", COMPRESSOR).ExportBackend.CoreAI)
    if not hasattr(found[0], "parametrizations"):
        raise ValueError(f"coreai-opt left a layer {tuple(layer.weight.shape)} as it was, which {precision} compresses")
    (stored,) = found[0].parametrizations["weight"]
    if hasattr(stored, "lut"):
        layer.register_buffer(PLACES, stored.indices.clone())
        layer.register_buffer(TABLE, stored.lut.half().float())
    else:
        layer.register_buffer(STEPS, stored.quantized_data.clone())
        layer.register_buffer(SCALE, stored.scale.half().float())
    layer.weight.copy_(decompressed(layer))


def _compressor(module: nn.Module, precision: str) -> Any:
    if precision.endswith("palette"):
        palettes = library("coreai_opt.palettization", COMPRESSOR)
        bits = int(precision[3])
        settings = palettes.ModuleKMeansPalettizerConfig(
            op_state_spec={"weight": palettes.PalettizationSpec(n_bits=bits)}
        )
        config = palettes.KMeansPalettizerConfig(global_config=None, module_type_configs={nn.Linear: settings})
        return palettes.KMeansPalettizer(module, config)
    quantization = library("coreai_opt.quantization", COMPRESSOR)
    presets = quantization.QuantizerConfig.presets
    whole = presets.w8() if precision == "int8" else presets.w4_per_block()
    config = quantization.QuantizerConfig(
        global_config=None,
        module_type_configs={nn.Linear: whole.global_config},
        execution_mode=quantization.ExecutionMode.EAGER,
    )
    return quantization.Quantizer(module, config)


def decompressed(layer: nn.Linear) -> Tensor:
    """Return the weights that a compressed layer stands for."""
    buffers = dict(layer.named_buffers(recurse=False))
    if PLACES in buffers:
        return buffers[TABLE].flatten()[buffers[PLACES].long()]
    scale = buffers[SCALE]
    return buffers[STEPS].float() * scale.repeat_interleave(layer.in_features // scale.shape[1], 1)


class _Stored(nn.Module):
    """A linear layer whose weights are decompressed by the operators that Apple's converter knows."""

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.bias = layer.bias
        self.kind = "int4" if SCALE in dict(layer.named_buffers()) and layer.get_buffer(SCALE).shape[1] > 1 else "int8"
        for name, value in layer.named_buffers(recurse=False):
            self.register_buffer(name, value)

    def forward(self, values: Tensor) -> Tensor:
        """Decompress, and multiply."""
        if hasattr(self, TABLE):
            weight = torch.ops.coreai.lut_to_dense(self.get_buffer(PLACES), self.get_buffer(TABLE), 0)
        else:
            steps, scale = self.get_buffer(STEPS), self.get_buffer(SCALE)
            kind = getattr(torch, self.kind)
            weight = torch.ops.coreai.constexpr_blockwise_shift_scale(steps, scale, input_dtype=kind)
        return F.linear(values, weight, self.bias)


def as_stored(module: nn.Module) -> nn.Module:
    """Replace the compressed layers of ``module`` by ones that hold what is stored; it is changed in place."""
    library("coreai_torch._compression.custom_layers", CONVERTER)  # registers the operators
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear) and {STEPS, PLACES} & set(dict(child.named_buffers(recurse=False))):
                setattr(parent, name, _Stored(child))
    return module
