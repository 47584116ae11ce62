"""Every model that can be validated, by name: this project's, and those that other distributions register."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.perception_encoder.vision.model import VISION_MODELS
from pe_validate.system.errors import UsageError
from pe_validate.system.registry import registered

if TYPE_CHECKING:
    from torch import nn

    from pe_validate.models.weights import Weights

GROUP: Final = "pe_validate.models"
"""The entry-point group."""


@cache
def models() -> Mapping[str, Model]:
    """Return every model, in the order of the matrix.

    Raises:
        UsageError: another distribution's cannot be loaded.
    """
    return registered(GROUP, Model, VISION_MODELS)  # type: ignore[type-abstract]  # only its instances are taken


def model_named(name: str) -> Model:
    """Return one model.

    Raises:
        UsageError: there is no such model.
    """
    if name not in models():
        raise UsageError(f"Unknown model '{name}': choose one of {', '.join(models())}.")
    return models()[name]


def load_weights(model: str, spec: str = DEFAULT_WEIGHTS) -> Weights:
    """Read the weights that ``spec`` names and check that they are the model's.

    Raises:
        UsageError: ``spec`` or ``model`` cannot be understood.
        LoadError: the file is missing, damaged, or not this model.
    """
    return model_named(model).load_weights(spec)


def load_model(model: str, weights: str | Weights = DEFAULT_WEIGHTS) -> nn.Module:
    """Return the float32 model in eval mode, with the given weights.

    Raises:
        UsageError, LoadError: see :func:`load_weights`.
    """
    value = model_named(model)
    return value.load(value.load_weights(weights) if isinstance(weights, str) else weights)
