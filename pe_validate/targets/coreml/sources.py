"""The graphs that a float16 Core ML package may have been converted from, with their constants rounded alike.

Rounding weights to float16 costs up to 57 dB, and hides every fault that costs less. But it costs what it costs in the
graph whose weights were rounded: a package that was converted from the model as it is, or from the rewrite, agrees with
eager PyTorch to 120 dB when the same constants are rounded there.
"""

from __future__ import annotations

from torch import nn

from pe_validate.mil.matrices import digests
from pe_validate.targets.base import Source
from pe_validate.targets.coreml.rounding import Rounded


def sources(module: nn.Module, lowered: nn.Module) -> tuple[Source, ...]:
    """Return those that are known: the model with attention in parts (up to iOS 17) or whole, and the rewrite."""
    weights = digests(module.state_dict().values())
    found = [
        Source(f"the tower, {name}, constants rounded to float16", Rounded(module, apart=apart), weights)
        for apart, name in ((True, "attention in parts"), (False, "attention whole"))
    ]
    rewrite = Source("the rewrite, constants rounded to float16", lowered, digests(lowered.state_dict().values()))
    return (*found, rewrite)
