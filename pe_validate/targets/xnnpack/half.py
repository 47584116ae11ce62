"""Convert a module to float16, with the casts that a captured program has in its graph."""

from __future__ import annotations

import torch
from torch import fx, nn


def halve(module: nn.Module) -> nn.Module:
    """Convert ``module`` to float16 in place; a program's own casts to float32 become casts to float16."""
    module.half()
    if isinstance(module, fx.GraphModule):
        for node in module.graph.nodes:
            node.args = fx.node.map_aggregate(node.args, _narrower)
            node.kwargs = fx.node.map_aggregate(node.kwargs, _narrower)
        module.recompile()
    return module


def _narrower(value: fx.node.Argument) -> fx.node.Argument:
    return torch.float16 if value is torch.float32 else value
