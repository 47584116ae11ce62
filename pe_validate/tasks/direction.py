"""The direction of several features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def direction(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the mean of normalised features ``[items, dim]``, normalised: ``[dim]``."""
    exact = features.astype(np.float64)
    mean = (exact / np.linalg.norm(exact, axis=1, keepdims=True)).mean(axis=0)
    found: NDArray[np.float64] = mean / np.linalg.norm(mean)
    return found
