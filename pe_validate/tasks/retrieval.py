"""Measure how many nearest neighbours stay the same, which is what a search notices. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pe_validate.data.compare import unit
from pe_validate.data.tasks import Agreement, Neighbours

NEIGHBOURS = 5

SHOWN: Final = 2
"""The number of queries of which the neighbours are told by name."""


def agreement(bank: ArrayLike, reference: ArrayLike, actual: ArrayLike) -> Agreement:
    """Compare the neighbours, in ``bank`` ``[entries, dim]``, of two versions of the same queries ``[queries, dim]``.

    An actual query that is not finite counts as having none of its neighbours.

    Raises:
        ValueError: the queries do not correspond, or the bank has fewer than five entries.
    """
    before, after = _neighbours(bank, reference, actual)
    valid = np.isfinite(np.asarray(actual, np.float64)).all(axis=-1)
    return Agreement(
        float(((before[:, 0] == after[:, 0]) & valid).mean()), float((_kept(before, after) * valid).mean())
    )


def moved(
    bank: ArrayLike, reference: ArrayLike, actual: ArrayLike, names: Sequence[str], entries: Sequence[str]
) -> tuple[Neighbours, ...]:
    """Return the neighbours of the queries that changed most, by the ``names`` of queries and of the bank's entries.

    Raises:
        ValueError: see :func:`agreement`.
    """
    before, after = _neighbours(bank, reference, actual)
    order = np.argsort(_kept(before, after), kind="stable")
    changed = [query for query in order if (before[query] != after[query]).any()]
    return tuple(
        Neighbours(names[query], *(tuple(entries[entry] for entry in each[query]) for each in (before, after)))
        for query in changed[:SHOWN]
    )


def _neighbours(bank: ArrayLike, reference: ArrayLike, actual: ArrayLike) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the neighbours of both versions of the queries, ``[queries, 5]`` each."""
    with np.errstate(invalid="ignore"):  # queries that are not finite have none that mean anything
        stored, expected, found = (unit(np.asarray(x, np.float64)) for x in (bank, reference, actual))
    if expected.shape != found.shape or expected.shape[-1] != stored.shape[-1]:
        raise ValueError(f"queries {expected.shape} and {found.shape} do not fit a bank of {stored.shape}")
    if len(stored) < NEIGHBOURS or not len(expected):
        raise ValueError(f"{len(expected)} queries among {len(stored)} entries have no {NEIGHBOURS} neighbours")
    return _nearest(stored, expected), _nearest(stored, found)


def _kept(before: NDArray[np.intp], after: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the fraction of neighbours that each query keeps."""
    kept: NDArray[np.float64] = (before[:, :, None] == after[:, None, :]).any(axis=-1).mean(axis=-1)
    return kept


def _nearest(bank: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the nearest entries, nearest first; ties go to the lower index."""
    return np.argsort(-(queries @ bank.T), axis=-1, kind="stable")[:, :NEIGHBOURS]
