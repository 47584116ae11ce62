"""Accuracy of the trained fixture model on labelled images that it has not seen. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file

from pe_validate.inputs.images import Sample, normalize, squash
from pe_validate.models.perception_encoder.vision.config import NANO
from pe_validate.system.files import shipped
from pe_validate.targets.runtime import Outputs

FILE: Final = "held-out.safetensors"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Labelled images, and an embedding for each class, ``[classes, dim]``, that features are compared with."""

    inputs: tuple[Sample, ...]
    labels: NDArray[np.int64]
    classes: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Fractions of the held-out images whose nearest class, by cosine similarity, is the right one."""

    top1: float
    reference_top1: float
    images: int


@cache
def held_out() -> HeldOut:
    """The held-out images of PE-Nano (``fixtures/nano/README.md``)."""
    tensors = load_file(shipped("fixtures") / "nano" / FILE)
    pixels = [squash(Image.fromarray(image), NANO.image_size) for image in tensors["images"]]
    inputs = tuple(Sample(f"held-out {i}", normalize(image)) for i, image in enumerate(pixels))
    return HeldOut(inputs, tensors["labels"], tensors["classes"])


def top1(outputs: Outputs, images: HeldOut) -> float:
    """Fraction of ``images`` that ``outputs``, made from its inputs in their order, classify correctly."""
    features = np.concatenate(list(outputs.features.values())).astype(np.float64)
    lengths = np.linalg.norm(images.classes, axis=-1)
    predicted = (features @ images.classes.T / lengths).argmax(axis=-1)
    return float((predicted == images.labels).mean())
