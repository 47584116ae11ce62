"""Results of what features are used for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """How many neighbours, by cosine similarity, a drifted embedding shares with the one it drifted from.

    ``top1``
        fraction of the queries whose nearest neighbour is the same.
    ``top5``
        fraction of the five nearest neighbours that is kept, averaged over the queries.
    """

    top1: float
    top5: float


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Fractions of the held-out images whose nearest class, by cosine similarity, is the right one."""

    top1: float
    reference_top1: float
    images: int
