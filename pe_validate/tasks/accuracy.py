"""Accuracy on labelled images that a model has not seen in training. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Outputs
from pe_validate.inputs.images import Sample


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Labelled images, and an embedding for each class, ``[classes, dim]``, that features are compared with."""

    inputs: tuple[Sample, ...]
    labels: NDArray[np.int64]
    classes: NDArray[np.float32]


def top1(outputs: Outputs, images: Labelled) -> float:
    """Return the fraction of ``images`` that ``outputs``, made from its inputs in their order, classify correctly."""
    features = np.concatenate(list(outputs.features.values())).astype(np.float64)
    lengths = np.linalg.norm(images.classes, axis=-1)
    predicted = (features @ images.classes.T / lengths).argmax(axis=-1)
    return float((predicted == images.labels).mean())
