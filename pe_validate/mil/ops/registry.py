"""The table of operators: MIL name → function of named arguments.

An operator's function takes tensors (strings for string parameters, sequences of tensors for variadic ones), in which
every floating value is float32, and returns a tensor or a tuple of tensors. It neither rounds nor converts to the
declared type: the executor does that, in one place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final, TypeAlias, TypeVar

from torch import Tensor

LARGEST: Final = 2**31 - 1
"""The most values that a tensor may have; no network needs as many, but a malicious package may ask for more."""

Value: TypeAlias = "Tensor | str | tuple[Value, ...] | dict[str | int, float]"
Result: TypeAlias = Tensor | tuple[Value, ...]
Function = TypeVar("Function", bound=Callable[..., Result])


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator.

    ``moves``: every output value is one of the input values (or 0, 6, or infinite), so that rounded inputs give rounded
    outputs. ``variadic`` names the parameters that take a sequence, ``blocks`` those that take the operation's blocks,
    each as a function of tensors.
    """

    run: Callable[..., Result]
    signature: inspect.Signature
    moves: bool
    variadic: frozenset[str]
    blocks: tuple[str, ...]

    def misfit(self, arguments: Iterable[str]) -> str | None:
        """Return the reason why these argument names do not fit the signature, or None if they do."""
        try:
            self.signature.bind(**dict.fromkeys(arguments))
        except TypeError as error:
            return str(error)
        return None


OPERATORS: dict[str, Operator] = {}


def op(
    *names: str, moves: bool = False, variadic: Sequence[str] = (), blocks: Sequence[str] = ()
) -> Callable[[Function], Function]:
    """Register a function as the operator with these MIL names."""

    def register(function: Function) -> Function:
        operator = Operator(function, inspect.signature(function), moves, frozenset(variadic), tuple(blocks))
        OPERATORS.update(dict.fromkeys(names, operator))
        return function

    return register


def bounded(*shape: int) -> tuple[int, ...]:
    """Return a shape that an argument's value asks for, after checking it, before a tensor is allocated.

    Raises:
        ValueError: no tensor should be that large.
    """
    if prod(shape) > LARGEST:
        raise ValueError(f"it would make {prod(shape)} values, and {LARGEST} are the most")
    return shape


def number(value: Tensor | None, default: float) -> float:
    """Return the value of a scalar parameter."""
    return default if value is None else float(value.item())


def integer(value: Tensor | None, default: int) -> int:
    """Return the value of an integer parameter."""
    return default if value is None else int(value.item())


def flag(value: Tensor | None, default: bool = False) -> bool:
    """Return the value of a boolean parameter."""
    return default if value is None else bool(value.item())


def integers(value: Tensor | None, default: Sequence[int]) -> list[int]:
    """Return the values of a parameter that is a vector of integers."""
    return list(default) if value is None else [int(v) for v in value.reshape(-1).tolist()]


def flags(value: Tensor | None, count: int) -> list[bool]:
    """Return the values of a parameter that is a vector of booleans, by default ``count`` times False."""
    return [False] * count if value is None else [bool(v) for v in value.reshape(-1).tolist()]


def choice(name: str, value: str, table: dict[str, Any]) -> Any:
    """Return the entry of ``table`` that a string parameter selects.

    Raises:
        ValueError: there is no such entry.
    """
    if value not in table:
        raise ValueError(f"{name} '{value}' is not one of {', '.join(table)}")
    return table[value]
