"""Constants of a model that a package stores folded into others, and so rounds in another place.

Two folds are known: first tokens with their positions added, and a factor, such as attention's scale, multiplied into
weights. A fold counts only if the package stores what it gives, to the last bit of float16: nothing is allowed for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

HALF_STEP: Final = 2.0**-11 * 1.02
"""Half the distance between two float16 numbers, relative to them, and what estimating a factor costs."""

LEAST_STEP: Final = 2.0**-25
"""Half the distance between the smallest float16 numbers."""

FEWEST: Final = 8
"""The least number of values from which a factor is estimated."""

ALIKE: Final = 1e-4
"""The relative difference of two estimates of the same factor, at most."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A constant of the model, and in its place the same as the package has rounded it; both flat."""

    constant: Tensor
    instead: Tensor


@dataclass(frozen=True, slots=True)
class Folded:
    """The folds of a package, and the factors that it has multiplied into weights."""

    constants: tuple[Fold, ...] = ()
    factors: tuple[float, ...] = ()

    def instead_of(self, value: Tensor) -> Tensor | None:
        """Return what takes the place of a constant, or None if it is not folded."""
        if value.numel() == 1:
            return value if any(_alike(float(value), factor) for factor in self.factors) else None
        for fold in self.constants:
            if fold.constant.numel() == value.numel() and torch.equal(fold.constant, value.flatten()):
                return fold.instead.reshape(value.shape)
        return None


def folded(constants: Mapping[str, Tensor], stored: Sequence[Tensor]) -> Folded:
    """Return the folds that explain what a package has ``stored`` in float16, in place of a model's constants."""
    halves = _Halves(stored)
    missing = [value for value in constants.values() if value.numel() > 1 and not halves.hold(value.flatten())]
    sums = [fold for value in missing for fold in _first_tokens(value, missing, halves)]
    products: list[Fold] = []
    factors: list[float] = []
    for value in missing:
        for instead, factor in _multiplied(value, halves):
            products.append(Fold(value.flatten(), instead))
            factors.append(factor)
    for value in missing:  # a vector alone would agree with any other
        if value.dim() == 1:
            products += _with_factors(value, factors, halves)
    return Folded((*sums, *products), tuple(factors))


class _Halves:
    """Float16 constants by their number of values."""

    def __init__(self, stored: Sequence[Tensor]) -> None:
        self._by_size: dict[int, list[Tensor]] = {}
        for value in stored:
            self._by_size.setdefault(value.numel(), []).append(value.half().flatten())

    def of(self, size: int) -> Sequence[Tensor]:
        """Return those with so many values, as float32."""
        return [value.float() for value in self._by_size.get(size, ())]

    def hold(self, value: Tensor) -> bool:
        """Return whether a flat constant is stored, rounded."""
        return any(torch.equal(value.half(), each) for each in self._by_size.get(value.numel(), ()))


def _first_tokens(positions: Tensor, missing: Sequence[Tensor], halves: _Halves) -> Iterator[Fold]:
    """Yield what takes the place of positions, and of the first token that was added to them."""
    if positions.dim() < 2:
        return
    rows = positions.flatten(0, -2)
    for token in missing:
        if token.numel() != rows.shape[1] or not halves.hold(rows[1:].flatten()):
            continue
        whole = token.flatten() + rows[0]
        if halves.hold(whole):
            first = whole.half().float() - token.flatten()
            yield Fold(positions.flatten(), torch.cat([first, rows[1:].half().float().flatten()]))
            yield Fold(token.flatten(), token.flatten())


def _multiplied(matrix: Tensor, halves: _Halves) -> Iterator[tuple[Tensor, float]]:
    """Yield a matrix as a package has rounded it, of which some rows were multiplied by a factor, and the factor."""
    rows = matrix.flatten(1) if matrix.dim() > 1 else matrix[:, None]
    if rows.shape[1] < FEWEST:
        return
    for each in halves.of(matrix.numel()):
        found = each.reshape(rows.shape)
        ratios = (found * rows).sum(1) / (rows * rows).sum(1)
        scaled = (ratios - 1).abs() >= ALIKE
        if scaled.any():
            factor = ratios[scaled].mean()
            factors = torch.where(scaled, factor, 1.0)[:, None]
            if _rounds_to(rows * factors, found):
                yield (found / factors).flatten(), float(factor)


def _with_factors(vector: Tensor, factors: Sequence[float], halves: _Halves) -> Iterator[Fold]:
    """Yield a vector as a package has rounded it, of which some values were multiplied by a known factor."""
    for factor in factors:
        for found in halves.of(vector.numel()):
            scaled = (found - vector).abs() > (found - factor * vector).abs()
            by = torch.where(scaled, factor, 1.0)
            if scaled.any() and _rounds_to(vector * by, found):
                yield Fold(vector, found / by)
                return


def _rounds_to(value: Tensor, half: Tensor) -> bool:
    return bool(((value - half).abs() <= half.abs() * HALF_STEP + LEAST_STEP).all())


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= ALIKE * max(abs(one), abs(other))
