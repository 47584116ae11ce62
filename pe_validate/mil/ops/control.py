"""Control flow: operators that compute their own blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import Tensor

from pe_validate.mil.ops.registry import flag, op

Body: TypeAlias = Callable[..., tuple[Tensor, ...]]


@op("cond", blocks=("true", "false"))
def cond(pred: Tensor, true: Body, false: Body) -> tuple[Tensor, ...]:
    """What one of two blocks gives."""
    return true() if flag(pred) else false()


@op("while_loop", variadic=("loop_vars",), blocks=("condition", "body"))
def while_loop(loop_vars: Sequence[Tensor], condition: Body, body: Body) -> tuple[Tensor, ...]:
    """``loop_vars``, replaced by what the body makes of them while the condition holds."""
    values = tuple(loop_vars)
    while flag(condition(*values)[0]):
        values = body(*values)
    return values
