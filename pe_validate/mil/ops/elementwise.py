"""Element-wise operators: unary, binary with broadcasting, comparison, selection, conversion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

from pe_validate.mil.dtypes import DATA_TYPES, FLOAT16, DataType, wrap
from pe_validate.mil.ops.registry import choice, number, op

_UNARY: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "logical_not": torch.logical_not,
    "round": torch.round,
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}

_BINARY: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "add": torch.add,
    "equal": torch.eq,
    "floor_div": torch.floor_divide,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
    "mod": torch.remainder,
    "mul": torch.mul,
    "not_equal": torch.ne,
    "pow": torch.pow,
    "real_div": torch.true_divide,
    "sub": torch.sub,
}

_CHOOSING: Final[dict[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "maximum": torch.maximum,
    "minimum": torch.minimum,
}

_CASTABLE: Final = (FLOAT16, 11, 1, 21, 31, 22, 32, 23, 24)
"""Types that ``cast`` converts to, by their number in ``MIL.proto``."""

CAST_TYPES: Final[dict[str, DataType]] = {
    DATA_TYPES[number].name.replace("float", "fp"): DATA_TYPES[number] for number in _CASTABLE
}
"""The types that ``cast`` names; float16 is float32 in memory, which the executor rounds."""


def _register_unary(name: str, function: Callable[[Tensor], Tensor]) -> None:
    @op(name)
    def run(x: Tensor) -> Tensor:
        return function(x)


def _register_binary(name: str, function: Callable[[Tensor, Tensor], Tensor], moves: bool) -> None:
    @op(name, moves=moves)
    def run(x: Tensor, y: Tensor) -> Tensor:
        return function(x, y)


for _name, _unary in _UNARY.items():
    _register_unary(_name, _unary)
for _name, _binary in _BINARY.items():
    _register_binary(_name, _binary, moves=False)
for _name, _binary in _CHOOSING.items():
    _register_binary(_name, _binary, moves=True)


@op("identity", moves=True)
def identity(x: Tensor) -> Tensor:
    """Return the input."""
    return x


@op("cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """Return ``x`` converted to a type; floating to integer rounds towards zero, and integers wrap."""
    target: DataType = choice("dtype", dtype, CAST_TYPES)
    return wrap(x, target)


@op("clip")
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    """Return ``min(max(x, alpha), beta)``."""
    return torch.minimum(torch.maximum(x, alpha), beta)


@op("threshold")
def threshold(x: Tensor, alpha: Tensor) -> Tensor:
    """Return ``max(x, alpha)``."""
    return torch.maximum(x, alpha)


@op("inverse")
def inverse(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """Return ``1 / (x + epsilon)``."""
    return torch.reciprocal(x + number(epsilon, 1e-4))


@op("log")
def log(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """Return ``log(x + epsilon)``."""
    return torch.log(x + number(epsilon, 1e-45))


@op("rsqrt")
def rsqrt(x: Tensor, epsilon: Tensor | None = None) -> Tensor:
    """Return ``1 / sqrt(x + epsilon)``."""
    return torch.rsqrt(x + number(epsilon, 1e-12))


@op("select", moves=True)
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Return ``a`` where ``cond`` is true, else ``b``."""
    return torch.where(cond, a, b)
