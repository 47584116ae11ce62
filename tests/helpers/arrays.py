"""Short literals of arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def float32(values: ArrayLike) -> NDArray[np.float32]:
    """Return an array, which ``np.float32([…])`` gives, too, but is not declared to."""
    return np.asarray(values, np.float32)


def float16(values: ArrayLike) -> NDArray[np.float16]:
    """Return the same in half precision."""
    return np.asarray(values, np.float16)
