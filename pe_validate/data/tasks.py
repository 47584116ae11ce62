"""Results of the tasks that features are used for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """The share of nearest neighbours, by cosine similarity, that an artifact's embeddings keep from the model's.

    ``top1``
        the fraction of queries whose nearest neighbour is unchanged.
    ``top5``
        the fraction of the five nearest neighbours that is kept, averaged over the queries.
    """

    top1: float
    top5: float


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest neighbours of one query, by name, nearest first: those that float32 finds, and the artifact's."""

    query: str
    expected: tuple[str, ...]
    found: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Top-1 accuracy on held-out images, as fractions; the nearest class by cosine similarity is the prediction."""

    top1: float
    reference_top1: float
    images: int
