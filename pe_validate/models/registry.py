"""Every model that can be validated, by name: this project's, other distributions', and the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.own.config import configuration_files, read_configuration
from pe_validate.models.own.model import OwnModel, models_of
from pe_validate.models.perception_encoder.text.model import TEXT, TEXT_MODELS, TextModel
from pe_validate.models.perception_encoder.vision.model import VISION_MODELS
from pe_validate.system.errors import UsageError
from pe_validate.system.registry import registered
from pe_validate.system.suggest import did_you_mean

if TYPE_CHECKING:
    from torch import nn

    from pe_validate.models.weights import Weights

GROUP: Final = "pe_validate.models"
"""The entry-point group of models."""

BUILT_IN: Final = tuple(model.name for model in VISION_MODELS)
"""Names of this project's own models of images."""

WITH_GOLDENS: Final = (*BUILT_IN, "PE-Core-S16-384-text", "PE-Nano-text")
"""The models whose answers are in ``golden/``.

T16's text tower has the form of S16's, and those of B16 and L14 have 1.4 GB of weights each.
"""


def models() -> Mapping[str, Model]:
    """Return every model, in the order of the matrix: the user's own ones are last.

    Raises:
        UsageError: a model of another distribution cannot be loaded, or a configuration file is not understood.
    """
    return _models(configuration_files())


@cache
def _models(files: tuple[Path, ...]) -> Mapping[str, Model]:
    found = dict(registered(GROUP, Model, (*VISION_MODELS, *TEXT_MODELS)))  # type: ignore[type-abstract]  # only instances are taken
    for file in files:
        for name, model in models_of(file, read_configuration(file)).items():
            if name in found:
                raise UsageError(f"'{file}' names a second model '{name}': rename it.")
            found[name] = model
    return found


def own_models() -> tuple[str, ...]:
    """Return the names of the models of configuration files."""
    return tuple(name for name, model in models().items() if isinstance(model, OwnModel))


def model_named(name: str) -> Model:
    """Return the model of this name.

    Raises:
        UsageError: there is no such model.
    """
    if name not in models():
        near = did_you_mean(name, models())
        raise UsageError(f"Unknown model '{name}': choose one of {', '.join(models())}.{near}")
    return models()[name]


def text_model_of(name: str) -> TextModel:
    """Return the text tower of a CLIP model, named by its vision tower or by itself.

    Raises:
        UsageError: it has none.
    """
    found = {model.name: model for model in TEXT_MODELS}
    if (text := found.get(f"{name.removesuffix(TEXT)}{TEXT}")) is None:
        vision = ", ".join(each.removesuffix(TEXT) for each in found)
        raise UsageError(f"{name} has no text tower: choose one of {vision}.")
    return text


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
