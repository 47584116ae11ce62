"""Intervals of fractions, and of the difference of two fractions of the same images."""

from __future__ import annotations

from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from pe_validate.data.classification import Share


def share(right: int, of: int) -> Share:
    """Return ``right`` of ``of`` with its 95 % interval (Wilson 1927)."""
    interval = binomtest(right, of).proportion_ci(method="wilson")
    return Share(right, of, float(interval.low), float(interval.high))


def exact_p(lost: int, won: int) -> float:
    """Return the p of McNemar's exact test: the images that changed did so like tosses of a coin."""
    return float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0


def difference(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Return the fraction of ``after`` minus that of ``before``, and the ends of its 95 % interval.

    Both say of the same images, ``[images]``, whether they are recognised. The interval is method 10 of Newcombe,
    "Improved confidence intervals for the difference between binomial proportions based on paired data" (1998).
    """
    images = len(before)
    old, new = share(int(before.sum()), images), share(int(after.sum()), images)
    lost, won = int((before & ~after).sum()), int((~before & after).sum())
    both, neither = int((before & after).sum()), int((~before & ~after).sum())
    product = float(both * neither - lost * won)
    if product > 0:  # the continuity correction
        product = max(product - images / 2, 0.0)
    scale = sqrt(float(old.right * (images - old.right)) * float(new.right * (images - new.right)))
    correlation = product / scale if scale else 0.0

    def width(first: float, second: float) -> float:
        return sqrt(max(first**2 - 2 * correlation * first * second + second**2, 0.0))

    found = new.value - old.value
    below = width(new.value - new.low, old.high - old.value)
    above = width(new.high - new.value, old.value - old.low)
    return found, max(found - below, -1.0), min(found + above, 1.0)
