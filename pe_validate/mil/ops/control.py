"""Operators around the network: control flow, which executes blocks, and the label of a classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import torch
from torch import Tensor

from pe_validate.mil.ops.registry import Value, flag, op

Body: TypeAlias = Callable[..., tuple[Tensor, ...]]

MAX_ITERATIONS: Final = 2**14
"""Iterations after which a loop counts as endless; a feed-forward network's loop has one for each token."""


@op("cond", blocks=("true", "false"))
def cond(pred: Tensor, true: Body, false: Body) -> tuple[Tensor, ...]:
    """Return the outputs of one of two blocks."""
    return true() if flag(pred) else false()


@op("while_loop", variadic=("loop_vars",), blocks=("condition", "body"))
def while_loop(loop_vars: Sequence[Tensor], condition: Body, body: Body) -> tuple[Tensor, ...]:
    """Return ``loop_vars``, replaced by the outputs of the body as long as the condition holds.

    Raises:
        ValueError: the loop does not end.
    """
    values = tuple(loop_vars)
    for _ in range(MAX_ITERATIONS):
        if not flag(condition(*values)[0]):
            return values
        values = body(*values)
    raise ValueError(f"the loop has not ended after {MAX_ITERATIONS} turns")


@op("classify")
def classify(probabilities: Tensor, classes: Sequence[Value]) -> tuple[Value, ...]:
    """Return the most probable class and the probability of every class; classes are strings or integers."""
    labels = [int(label.item()) if isinstance(label, Tensor) else str(label) for label in classes]
    found = dict(zip(labels, probabilities.flatten().tolist(), strict=True))
    label = max(labels, key=lambda name: found[name])
    return torch.tensor(label) if isinstance(label, int) else label, found
