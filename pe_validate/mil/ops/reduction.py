"""Reductions over ``axes``, all of them by default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from torch import Tensor

from pe_validate.mil.ops.registry import flag, integer, integers, op

_Reduction: TypeAlias = Callable[[Tensor, list[int], bool], Tensor]


def _mean(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    return x.to(torch.float32).mean(axes, keep)


def _product(x: Tensor, axes: list[int], keep: bool) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in axes), reverse=True):
        x = x.prod(axis, keep)
    return x


_MOVING: Final[dict[str, _Reduction]] = {
    "reduce_max": lambda x, axes, keep: torch.amax(x, axes, keep),
    "reduce_min": lambda x, axes, keep: torch.amin(x, axes, keep),
}

_COMPUTING: Final[dict[str, _Reduction]] = {
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keep),
    "reduce_l2_norm": lambda x, axes, keep: x.square().sum(axes, keep).sqrt(),
    "reduce_log_sum": lambda x, axes, keep: x.sum(axes, keep).log(),
    "reduce_log_sum_exp": lambda x, axes, keep: torch.logsumexp(x, axes, keep),
    "reduce_mean": _mean,
    "reduce_prod": _product,
    "reduce_sum": lambda x, axes, keep: x.sum(axes, keep),
    "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keep),
}

_ARGUMENT: Final[dict[str, Callable[[Tensor, int, bool], Tensor]]] = {
    "reduce_argmax": torch.argmax,
    "reduce_argmin": torch.argmin,
}


def _register(name: str, function: _Reduction, moves: bool) -> None:
    @op(name, moves=moves)
    def run(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
        # An empty list means every axis to torch and no axis to MIL.
        chosen = integers(axes, range(x.dim()))
        return function(x, chosen, flag(keep_dims)) if chosen else x


def _register_argument(name: str, function: Callable[[Tensor, int, bool], Tensor]) -> None:
    @op(name)
    def run(
        x: Tensor, axis: Tensor | None = None, keep_dims: Tensor | None = None, output_dtype: str = "int32"
    ) -> Tensor:
        return function(x, integer(axis, -1), flag(keep_dims))


for _name, _reduction in _MOVING.items():
    _register(_name, _reduction, moves=True)
for _name, _reduction in _COMPUTING.items():
    _register(_name, _reduction, moves=False)
for _name, _function in _ARGUMENT.items():
    _register_argument(_name, _function)
