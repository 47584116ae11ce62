"""What int8 and int4 do to a text tower's table of embeddings, which is most of its file and which no precision rounds.

``python tests/benchmarks/embedding_table.py [MODEL] [--weights SPEC]`` rounds the table to fewer bits, symmetrically,
without clipping: int8 with a float32 scale per token, int4 with a bfloat16 scale per 32 values. The linear layers stay
float32, or are those of ``pte/int8`` and ``pte/int4``. It prints, in Markdown, the megabytes of table and linear
layers, and the worst of the reference lines against the float32 model.
"""

from __future__ import annotations

import argparse
from copy import deepcopy
from typing import Literal, cast

import torch
from torch import Tensor, nn

from pe_validate.data.compare import compare
from pe_validate.data.recipe import LINEAR
from pe_validate.models.registry import load_model, model_named
from pe_validate.targets.xnnpack.quantization import GROUP, quantize_weights

Bits = Literal[32, 16, 8, 4]


def rounded(table: Tensor, bits: Bits) -> tuple[Tensor, int]:
    """Return the values of a table that is stored in so many bits, and its size in bytes."""
    if bits == 32:
        return table, 4 * table.numel()
    if bits == 16:
        return table.half().float(), 2 * table.numel()
    groups = table.view(len(table), -1, table.shape[1] if bits == 8 else GROUP)
    scales = groups.abs().amax(dim=-1, keepdim=True) / (2 ** (bits - 1) - 1)
    scales = scales if bits == 8 else scales.bfloat16().float()
    most = 2 ** (bits - 1)
    steps = (groups / scales.clamp_min(torch.finfo(torch.float32).tiny)).round().clamp(-most, most - 1)
    size = table.numel() * bits // 8 + scales.numel() * (4 if bits == 8 else 2)
    return (steps * scales).view_as(table), size


def linear_bytes(module: nn.Module, bits: Bits) -> int:
    """Return the size of the linear layers in so many bits, with their scales and biases."""
    layers = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    scales = {32: 0.0, 16: 0.0, 8: sum(4.0 * layer.out_features for layer in layers)}
    weights = sum(layer.weight.numel() for layer in layers)
    biases = sum(4 * layer.bias.numel() for layer in layers if layer.bias is not None)
    return int(weights * bits / 8 + scales.get(bits, 2 * weights / GROUP) + biases)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="PE-Core-S16-384-text")
    parser.add_argument("--weights", default="seed:7")
    options = parser.parse_args()
    model, tower = model_named(options.model), load_model(options.model, options.weights)
    texts = [torch.from_numpy(sample.values[0]) for sample in model.feed.samples()]
    with torch.inference_mode():
        expected = [tower(tokens).numpy() for tokens in texts]
    print("| linear layers | table | table, MB | both, MB | worst SNR, dB | worst cosine |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    rows: tuple[tuple[Bits, Bits], ...] = ((32, 16), (32, 8), (32, 4), (8, 32), (8, 8), (4, 32), (4, 8), (4, 4))
    for layers, bits in rows:
        module = deepcopy(model.deployable(tower, LINEAR))
        others = linear_bytes(module, layers)
        table = cast(nn.Embedding, module.embedding).weight.detach()
        values, size = rounded(table, bits)
        module.embedding = nn.Embedding.from_pretrained(values)
        if layers in (8, 4):
            module = quantize_weights(module, layers)
        with torch.inference_mode():
            found = [compare(e, module(t).numpy()) for e, t in zip(expected, texts, strict=True)]
        named = {32: "float32", 16: "float16", 8: "int8", 4: "int4"}
        print(
            f"| {named[layers]} | {named[bits]} | {size / 1e6:.1f} | {(size + others) / 1e6:.1f} "
            f"| {min(each.snr_db for each in found):.1f} | {min(each.cosine for each in found):.5f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
