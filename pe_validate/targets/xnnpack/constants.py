"""The constants of an ExecuTorch program, and those of the graph that it was lowered from.

XNNPACK stores weights as they are, so the two are equal byte for byte. A wrong scale of one channel in thousands,
which int8 rounding would hide, shows as a missing constant.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx, nn

if TYPE_CHECKING:
    from pe_validate.targets.xnnpack.reader import PTEFile

PER_CHANNEL = "quantized_decomposed.dequantize_per_channel.default"
"""An operator that exists only once torchao's PT2E quantisation has been imported."""

DIGEST_LENGTH = 16
"""Hexadecimal digits of a sha256 that are kept, enough for a few hundred constants."""


def stored(program: PTEFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the digests of all constants of the delegates, and the names of those that were altered.

    XNNPACK names a constant by the sha256 of its bytes, after ``scale_`` or nothing.
    """
    found, altered = set(), []
    data = program.named_data
    for name, entry in (data.pte_data if data else {}).items():
        digest = hashlib.sha256(data.buffers[entry.buffer_index]).hexdigest()
        found.add(digest[:DIGEST_LENGTH])
        if name.rpartition("_")[2] != digest:
            altered.append(name)
    return tuple(sorted(found)), tuple(altered)


def of_graph(graph: nn.Module) -> dict[str, str]:
    """Return the digests of the weights, scales and biases of linear layers and of quantised tensors, by name."""
    return {name: hashlib.sha256(_bytes(tensor)).hexdigest()[:DIGEST_LENGTH] for name, tensor in _tensors(graph)}


def _tensors(graph: nn.Module) -> Iterator[tuple[str, Tensor]]:
    if isinstance(graph, fx.GraphModule):  # quantised by PT2E: weights and scales are attributes of the graph
        # Per-tensor scales are left out: they come from calibration, and no two calibrations round alike.
        for node in graph.graph.nodes:
            if str(node.target) == PER_CHANNEL:
                for constant in node.args[:2]:
                    yield constant.target, getattr(graph, constant.target)
    for name, layer in graph.named_modules():
        if isinstance(layer, nn.Linear):
            weight: Any = layer.weight
            if hasattr(weight, "qdata"):
                four_bits = torch.int4 == weight.target_dtype  # type: ignore[attr-defined]  # not in torch's stubs
                yield f"{name}.weight", _packed(weight.qdata) if four_bits else weight.qdata
                yield f"{name}.weight.scale", weight.scale
            else:
                yield f"{name}.weight", weight
            if layer.bias is not None:
                yield f"{name}.bias", layer.bias


def _packed(weight: Tensor) -> Tensor:
    """Pack two 4-bit values, offset by 8, into each byte, the first one in the lower half."""
    values = (weight.flatten().to(torch.int16) + 8).to(torch.uint8)
    return values[0::2] | (values[1::2] << 4)


def _bytes(tensor: Tensor) -> bytes:
    plain: bytes = tensor.detach().contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return plain
