"""Preprocessings by name: what becomes of an 8-bit RGB pixel before a model takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """``(pixel / 255 - mean) / std``, by channel."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


PREPROCESSINGS: Final[Mapping[str, Preprocessing]] = {
    # Sources: facebookresearch/perception_models, torchvision's weights for ImageNet, openai/CLIP.
    "pe": Preprocessing((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "imagenet": Preprocessing((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": Preprocessing((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "unit": Preprocessing((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "bytes": Preprocessing((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
