"""Measure how many nearest neighbours stay the same, which is what a search notices. Nothing is judged here."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pe_validate.data.compare import unit
from pe_validate.data.tasks import Agreement

NEIGHBOURS = 5


def agreement(bank: ArrayLike, reference: ArrayLike, actual: ArrayLike) -> Agreement:
    """Compare the neighbours, in ``bank`` ``[entries, dim]``, of two versions of the same queries ``[queries, dim]``.

    An actual query that is not finite counts as having none of its neighbours.

    Raises:
        ValueError: the queries do not correspond, or the bank has fewer than five entries.
    """
    with np.errstate(invalid="ignore"):  # queries that are not finite are excluded below
        stored, expected, found = (unit(np.asarray(x, np.float64)) for x in (bank, reference, actual))
    if expected.shape != found.shape or expected.shape[-1] != stored.shape[-1]:
        raise ValueError(f"queries {expected.shape} and {found.shape} do not fit a bank of {stored.shape}")
    if len(stored) < NEIGHBOURS or not len(expected):
        raise ValueError(f"{len(expected)} queries among {len(stored)} entries have no {NEIGHBOURS} neighbours")
    before, after = _nearest(stored, expected), _nearest(stored, found)
    valid = np.isfinite(np.asarray(actual, np.float64)).all(axis=-1)
    kept = (before[:, :, None] == after[:, None, :]).any(axis=-1).mean(axis=-1)
    return Agreement(float(((before[:, 0] == after[:, 0]) & valid).mean()), float((kept * valid).mean()))


def _nearest(bank: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the indices of the nearest entries, nearest first; ties go to the lower index."""
    return np.argsort(-(queries @ bank.T), axis=-1, kind="stable")[:, :NEIGHBOURS]
