"""The values of synthetic weights, as ``fixtures/reference/README.md`` and the one in its ``text/`` describe them."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray


def seeded_tensor(
    key: str, name: str, shape: tuple[int, ...], seed: int, *, embeddings: Collection[str], projection: str
) -> NDArray[np.float32]:
    """Return the tensor ``name`` of ``seed:N``; ``key``, its name among those of both towers, begins the stream.

    ``embeddings`` are the names of tensors that are added to the stream of tokens, and ``projection`` is that of the
    matrix that is applied as ``x @ projection``.
    """
    rng = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32)
    noise: NDArray[np.float64] = rng.standard_normal(shape)
    if name.endswith(".weight") and len(shape) == 1:
        noise = 1 + 0.1 * noise
    elif name.endswith("bias"):
        noise *= 0.02
    elif name in embeddings:
        noise *= 0.5
    elif name == projection:
        noise /= math.sqrt(shape[0])
    else:
        noise /= math.sqrt(math.prod(shape[1:]))
    return noise.astype(np.float32)
