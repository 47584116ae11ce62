"""Classify images by their features. Nothing is judged here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.case import Case
from pe_validate.data.classification import Change, Classification
from pe_validate.tasks.intervals import difference, exact_p, share

TOP: Final = 5
BLOCK: Final = 1024
"""The number of images that are classified at once: a thousand classes of each take 8 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A linear classifier: ``weight`` is float32 ``[classes, dim]``, ``bias`` ``[classes]``.

    ``cosine``: rows of ``weight`` are embeddings, and features are normalised; there is no bias.
    """

    labels: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32] | None = None
    cosine: bool = True

    def ranks(self, features: NDArray[np.float32], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, for each image, how many classes are more likely than the ``wanted`` one, ``[images]``.

        Of equally likely classes the first one counts as more likely. If a feature is not finite, all classes do.
        """
        parts = [slice(start, start + BLOCK) for start in range(0, len(features), BLOCK)]
        return np.concatenate([self._ranks(features[part], wanted[part]) for part in parts])

    def _ranks(self, features: NDArray[np.float32], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        weight, exact = self.weight.astype(np.float64), features.astype(np.float64)
        if self.cosine:
            weight = weight / np.linalg.norm(weight, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # what is not finite is the last of all below
            scores = exact @ weight.T + (0.0 if self.bias is None else self.bias.astype(np.float64))
        own = np.take_along_axis(scores, wanted[:, None], axis=1)
        earlier = np.arange(len(weight)) < wanted[:, None]
        ranks: NDArray[np.int64] = ((scores > own) | ((scores == own) & earlier)).sum(axis=1)
        ranks[~np.isfinite(exact).all(axis=1)] = len(weight)
        return ranks


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The rank of the true class of each image, ``[images]``, with the images' names and classes."""

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    ranks: NDArray[np.int64]


def accuracy(case: Case, producer: str, identity: str, found: Ranked, task: str = "") -> Classification:
    """Return the accuracy of one artifact, compared with nothing yet; ``task`` is the direction of a retrieval."""
    right, images = found.ranks == 0, len(found.ranks)
    of_class = [float(right[found.labels == label].mean()) for label in np.unique(found.labels)]
    return Classification(
        case,
        producer,
        identity,
        share(int(right.sum()), images),
        share(int((found.ranks < TOP).sum()), images),
        None if task else float(np.mean(of_class)),
        task=task,
    )


def change(before: Ranked, after: Ranked) -> Change:
    """Return what ``after`` changes: the same images, in the same order."""
    old, new = before.ranks == 0, after.ranks == 0
    points, low, high = difference(old, new)
    lost, won = _named(before.names, old & ~new), _named(before.names, ~old & new)
    return Change(100 * points, 100 * low, 100 * high, exact_p(len(lost), len(won)), lost, won)


def class_means(features: NDArray[np.float32], labels: NDArray[np.int64], classes: Sequence[str]) -> Classifier:
    """Return the classifier by the nearest mean of normalised features ``[images, dim]`` of each class, normalised.

    Raises:
        ValueError: a class has no image.
    """
    if missing := [name for number, name in enumerate(classes) if not (labels == number).any()]:
        raise ValueError(f"the class '{missing[0]}' has no image")
    means = np.stack([_direction(features[labels == number]) for number in range(len(classes))])
    return Classifier(tuple(classes), means.astype(np.float32))


def _direction(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean of normalised features ``[items, dim]``, normalised: ``[dim]``."""
    exact = features.astype(np.float64)
    mean = (exact / np.linalg.norm(exact, axis=1, keepdims=True)).mean(axis=0)
    found: NDArray[np.float64] = mean / np.linalg.norm(mean)
    return found


def _named(names: Sequence[str], chosen: NDArray[np.bool_]) -> tuple[str, ...]:
    return tuple(name for name, wanted in zip(names, chosen, strict=True) if wanted)
