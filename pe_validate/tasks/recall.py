"""Rank texts by images and images by texts. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.compare import unit

BLOCK: Final = 1024
"""The number of queries that are ranked at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Features ``[items, dim]``, and the number of the image that each belongs to, ``[items]``."""

    values: NDArray[np.float32]
    image: NDArray[np.int64]


def ranks(queries: Embedded, bank: Embedded) -> NDArray[np.int64]:
    """Return, for each query, how many items of other images are nearer than the nearest of its own, ``[queries]``.

    Of equally near items the others count as nearer. A query that is not finite finds nothing; one of which the bank
    has no item neither.
    """
    with np.errstate(invalid="ignore"):  # what is not finite is last below
        asked, stored = (unit(np.asarray(each.values, np.float64)) for each in (queries, bank))
    known = np.asarray(np.isfinite(bank.values).all(axis=1))
    usable = np.asarray(np.isfinite(queries.values).all(axis=1))
    stored[~known] = 0.0
    found = np.full(len(asked), len(stored), np.int64)
    for start in range(0, len(asked), BLOCK):
        part = slice(start, start + BLOCK)
        scores = np.where(known, asked[part] @ stored.T, -np.inf)
        own = queries.image[part, None] == bank.image[None]
        best = np.where(own, scores, -np.inf).max(axis=1, keepdims=True)
        valid = usable[part] & own.any(axis=1)
        found[part][valid] = ((scores >= best) & ~own).sum(axis=1)[valid]
    return found
