"""PE-Nano's trained weights, and labelled images that it was not trained on (``fixtures/nano/``)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from PIL import Image
from safetensors.numpy import load_file

from pe_validate.inputs.images import Sample, normalize, squash
from pe_validate.models.perception_encoder.vision.config import NANO
from pe_validate.system.files import shipped
from pe_validate.tasks.accuracy import Labelled

HELD_OUT: Final = "held-out.safetensors"
"""The file with images, labels and class embeddings."""


def trained_file() -> Path:
    """Return the path of the trained weights."""
    return shipped("fixtures") / "nano" / f"{NANO.name}.safetensors"


@cache
def held_out() -> Labelled:
    """Return the held-out images."""
    tensors = load_file(shipped("fixtures") / "nano" / HELD_OUT)
    pixels = [squash(Image.fromarray(image), NANO.image_size) for image in tensors["images"]]
    inputs = tuple(Sample.of(f"held-out {i}", normalize(image)) for i, image in enumerate(pixels))
    return Labelled(inputs, tensors["labels"], tensors["classes"])
