"""Features of the images of a shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What a runtime answered: ``values`` is float32 ``[images, dim]``, ``labels`` ``[images]``.

    ``broken`` has the images that could not be read, and why; they are not among the others.
    """

    producer: str
    names: tuple[str, ...]
    labels: NDArray[np.int64]
    values: NDArray[np.float32]
    broken: Mapping[str, str]


def joined(parts: list[Features]) -> Features:
    """Return the features of several shards, of which one has an image at least."""
    full = [part for part in parts if part.names]
    return Features(
        full[0].producer,
        tuple(name for part in full for name in part.names),
        np.concatenate([part.labels for part in full]),
        np.concatenate([part.values for part in full]),
        {name: why for part in parts for name, why in part.broken.items()},
    )
