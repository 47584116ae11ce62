"""The graphs that a float16 Core ML package may have been converted from, with constants rounded as in the package.

Rounding weights to float16 lowers the SNR to as little as 57 dB, which hides every smaller fault. The same rounding in
eager PyTorch gives the same error: a package that was converted from the model itself, or from the rewrite, agrees
with it to 120 dB. Constants that it keeps in float32 are not rounded here either, and
those that it has folded into others are as they are there.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from pe_validate.mil.matrices import digests, stored
from pe_validate.targets.base import Source
from pe_validate.targets.coreml.folded import folded
from pe_validate.targets.coreml.rounding import Rounded


def sources(module: nn.Module, lowered: nn.Module, path: Path) -> tuple[Source, ...]:
    """Return the known sources: the model with attention in parts (up to iOS 17) or whole, and the rewrite.

    Raises:
        RunError: the package at ``path`` is broken, or uses what the evaluator does not support.
    """
    constants, (single, halves) = module.state_dict(), stored(path)
    elsewhere = folded(constants, halves)
    weights = digests(value for name, value in constants.items() if name not in elsewhere.names)
    found = [
        Source(
            f"the tower, {name}, constants rounded to float16",
            Rounded(module, apart=apart, kept=single, folded=elsewhere),
            weights,
        )
        for apart, name in ((True, "attention in parts"), (False, "attention whole"))
    ]
    rewrite = Source("the rewrite, constants rounded to float16", lowered, digests(lowered.state_dict().values()))
    return (*found, rewrite)
