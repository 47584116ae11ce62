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

HALF_STEP: Final = 2.0**-11
"""Half the distance between two float16 numbers, relative to them."""

ESTIMATE: Final = 1.05
"""What estimating a factor costs, as a factor of that."""

LEAST_STEP: Final = 2.0**-25
"""Half the distance between the smallest float16 numbers."""

FEWEST: Final = 8
"""The least number of values from which a factor is estimated."""

ALIKE: Final = 1e-4
"""The relative difference of a number to the factor that it is, at most."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A constant of the model, and in its place the same as the package has rounded it; both flat."""

    name: str
    constant: Tensor
    instead: Tensor


@dataclass(frozen=True, slots=True)
class Folded:
    """The folds of a package, and the factors that it has multiplied into weights."""

    constants: tuple[Fold, ...] = ()
    factors: tuple[float, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of the constants."""
        return frozenset(fold.name for fold in self.constants)

    def instead_of(self, value: Tensor) -> Tensor | None:
        """Return what takes the place of a constant, or None if it is not folded."""
        if value.numel() == 1:  # the factor as it was estimated, so that it undoes what was divided by it
            known = [factor for factor in self.factors if _alike(float(value), factor)]
            return torch.full_like(value, known[0]) if known else None
        for fold in self.constants:
            if fold.constant.numel() != value.numel():
                continue
            if torch.equal(fold.constant, value.flatten()):
                return fold.instead.reshape(value.shape)
            if value.dim() == 2 and torch.equal(fold.constant, value.T.flatten()):  # as linear layers read a matrix
                return fold.instead.reshape(value.T.shape).T
        return None


def folded(constants: Mapping[str, Tensor], stored: Sequence[Tensor]) -> Folded:
    """Return the folds that explain what a package has ``stored`` in float16, in place of a model's constants."""
    halves = _Halves(stored)
    missing = {name: t for name, t in constants.items() if t.numel() > 1 and not halves.hold(t.flatten())}
    folds = [fold for name in missing for fold in _first_tokens(name, missing, halves)]
    factors: list[float] = []
    for name, value in missing.items():
        for instead, factor in _multiplied(value, halves):
            folds.append(Fold(name, value.flatten(), instead))
            factors.append(factor)
    for name, value in missing.items():  # a vector alone would agree with any other
        if value.dim() == 1:
            folds += _with_factors(name, value, factors, halves)
    return Folded(tuple(folds), tuple(factors))


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


def _first_tokens(name: str, missing: Mapping[str, Tensor], halves: _Halves) -> Iterator[Fold]:
    """Yield what takes the place of positions, and of the first token that was added to them."""
    positions = missing[name]
    if positions.dim() < 2:
        return
    rows = positions.flatten(0, -2)
    for called, token in missing.items():
        if token.numel() != rows.shape[1] or not halves.hold(rows[1:].flatten()):
            continue
        whole = token.flatten() + rows[0]
        if halves.hold(whole):
            first = whole.half().float() - token.flatten()
            yield Fold(name, positions.flatten(), torch.cat([first, rows[1:].half().float().flatten()]))
            yield Fold(called, token.flatten(), token.flatten())


def _multiplied(matrix: Tensor, halves: _Halves) -> Iterator[tuple[Tensor, float]]:
    """Yield a matrix as a package has rounded it, of which some rows were multiplied by a factor, and the factor."""
    rows = matrix.flatten(1) if matrix.dim() > 1 else matrix[:, None]
    if rows.shape[1] < FEWEST:
        return
    for each in halves.of(matrix.numel()):
        found = each.reshape(rows.shape)
        products, squares = (found * rows).sum(1), (rows * rows).sum(1)
        scaled = (products / squares - 1).abs() > 4 * HALF_STEP / rows.shape[1] ** 0.5  # four times what rounding does
        if scaled.any():
            factor = products[scaled].sum() / squares[scaled].sum()
            factors = torch.where(scaled, factor, 1.0)[:, None]
            if _rounds_to(rows * factors, found):
                yield (found / factors).flatten(), float(factor)


def _with_factors(name: str, vector: Tensor, factors: Sequence[float], halves: _Halves) -> Iterator[Fold]:
    """Yield a vector as a package has rounded it, of which some values were multiplied by a known factor."""
    for factor in factors:
        for found in halves.of(vector.numel()):
            scaled = (found - vector).abs() > (found - factor * vector).abs()
            by = torch.where(scaled, factor, 1.0)
            if scaled.any() and _rounds_to(vector * by, found):
                yield Fold(name, vector, found / by)
                return


def _rounds_to(value: Tensor, half: Tensor) -> bool:
    return bool(((value - half).abs() <= half.abs() * HALF_STEP * ESTIMATE + LEAST_STEP).all())


def _alike(one: float, other: float) -> bool:
    return abs(one - other) <= ALIKE * max(abs(one), abs(other))
