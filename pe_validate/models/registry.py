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
"""The entry-point group of models."""

BUILT_IN: Final = tuple(model.name for model in VISION_MODELS)
"""Names of this project's own models."""


@cache
def models() -> Mapping[str, Model]:
    """Return every model, in the order of the matrix.

    Raises:
        UsageError: a model of another distribution cannot be loaded.
    """
    return registered(GROUP, Model, VISION_MODELS)  # type: ignore[type-abstract]  # only its instances are taken


def model_named(name: str) -> Model:
    """Return the model of this name.

    Raises:
        UsageError: there is no such model.
    """
    if name not in models():
        raise UsageError(f"Unknown model '{name}': choose one of {', '.join(models())}.")
    return models()[name]


def load_weights(model: str, spec: str = DEFAULT_WEIGHTS) -> Weights:
    """Read the weights that ``spec`` names, and check that they fit the model.

    Raises:
        UsageError: ``spec`` is not valid, or there is no such model.
        LoadError: the file is missing, damaged, or not this model's.
    """
    return model_named(model).load_weights(spec)


def load_model(model: str, weights: str | Weights = DEFAULT_WEIGHTS) -> nn.Module:
    """Return the float32 module of a model in eval mode, with weights given by spec or loaded.

    Raises:
        UsageError, LoadError: see :func:`load_weights`.
    """
    value = model_named(model)
    return value.load(value.load_weights(weights) if isinstance(weights, str) else weights)
