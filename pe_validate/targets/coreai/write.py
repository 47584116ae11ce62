"""Write an ``.aimodel``: ``torch.export``, Apple's converter, one folder. It needs no Mac."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.base import Example
from pe_validate.targets.coreai.compression import COMPRESSED, as_stored
from pe_validate.targets.coreai.libraries import CONVERTER, library
from pe_validate.targets.coreai.program import ENTRY

HALF: Final = torch.float16


class Halved(nn.Module):
    """``module`` in float16, with inputs and outputs of float32: an app hands over the same as to the float32 file."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = halve(module)

    def forward(self, *inputs: Tensor) -> Any:
        """Convert the inputs, run the module, and convert its outputs back."""
        given = (each.to(HALF) if each.is_floating_point() else each for each in inputs)
        found = self.module(*given)
        return tuple(each.float() for each in found) if isinstance(found, tuple) else found.float()


def halve(module: nn.Module) -> nn.Module:
    """Convert ``module`` to float16 in place; a captured program's own casts to float32 become casts to float16."""
    module.half()
    if isinstance(module, torch.fx.GraphModule):
        for node in module.graph.nodes:
            node.args = torch.fx.node.map_aggregate(node.args, _narrower)
            node.kwargs = torch.fx.node.map_aggregate(node.kwargs, _narrower)
        module.recompile()
    return module


def _narrower(value: Any) -> Any:
    return HALF if value is torch.float32 else value


def write_aimodel(module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
    """Convert ``module`` for inputs like those of ``example``, computing in fp32 if asked to, else in fp16.

    Input and output are float32, or the integers that they are, in every precision. The file holds no paths of this
    machine: the converter's stack traces are left out.

    Raises:
        Exception: whatever ``torch.export`` or Apple's converter raises; the caller names the stage.
    """
    converter = library("coreai_torch", CONVERTER)
    chosen = as_stored(deepcopy(module)) if precision in COMPRESSED else module
    if precision != "fp32":
        chosen = Halved(deepcopy(chosen)).eval()
    with torch.no_grad(), quiet_libraries():  # torch 2.13 warns of its own deprecations in run_decompositions
        exported = torch.export.export(chosen, example.tensors, dynamic_shapes=example.dynamic_shapes)
        program = (
            converter.TorchConverter(mode=converter.TorchConverter.Mode.RELEASE)
            .add_exported_program(
                exported.run_decompositions(converter.get_decomp_table()),
                input_names=list(example.inputs),
                output_names=list(example.outputs),
                entrypoint_name=ENTRY,
            )
            .to_coreai()
        )
        program.save_asset(path, _said(metadata))


def _said(metadata: dict[str, str]) -> Any:
    """Return the asset's metadata: the four of every artifact as fields of an own name, and Apple's own fields."""
    said = library("coreai.runtime").AIModelAssetMetadata()
    said.author = "pe_validate"
    said.license = metadata["licence"]
    said.model_description = f"{metadata['model']} encoder, {metadata['precision']}"
    for key, value in metadata.items():
        said.set_custom(key, value)
    return said
