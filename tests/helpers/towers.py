"""A vision tower, typed as one: for tests that look inside."""

from __future__ import annotations

from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.models.registry import load_model
from pe_validate.models.weights import Weights
from pe_validate.reference.reference import Reference


def load_tower(name: str, weights: str | Weights = DEFAULT_WEIGHTS) -> VisionTower:
    """``load_model`` of a vision model."""
    tower = load_model(name, weights)
    assert isinstance(tower, VisionTower)
    return tower


def tower_of(reference: Reference) -> VisionTower:
    """The float32 model of a reference."""
    assert isinstance(reference.module, VisionTower)
    return reference.module
