"""Measure accuracy on labelled images that were held out from training. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pe_validate.data.outputs import Outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pe_validate.inputs.images import Sample


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labelled images, their labels, and the embedding of each class, ``[classes, dim]``."""

    inputs: tuple[Sample, ...]
    labels: NDArray[np.int64]
    classes: NDArray[np.float32]


def top1(outputs: Outputs, images: Labelled) -> float:
    """Return the fraction of ``images`` that is classified correctly; ``outputs`` has its inputs' features in order."""
    import numpy as np

    features = np.concatenate(list(outputs.features.values())).astype(np.float64)
    lengths = np.linalg.norm(images.classes, axis=-1)
    predicted = (features @ images.classes.T / lengths).argmax(axis=-1)
    return float((predicted == images.labels).mean())
