"""A model under test, as a value: what is loaded, fed and answered, and the forms that it can be deployed in.

A family of models is a subclass; a model is an instance, registered in :mod:`pe_validate.models.registry` or by another
distribution through the entry-point group ``pe_validate.models``. Importing one loads no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.tensors import TensorSpec
from pe_validate.inputs.feed import ImageFeed
from pe_validate.tasks.accuracy import Labelled
from pe_validate.tasks.answer import Answer

if TYPE_CHECKING:
    from torch import nn

    from pe_validate.models.weights import Weights


DEFAULT_WEIGHTS: Final = "seed:7"
TRAINED: Final = "trained"
"""Names of weights: synthetic ones, and those that come with the project for a model."""


class Model(ABC):
    """One model.

    ``input`` and ``output`` are what an artifact of it declares in float32. ``feed`` makes what it is shown, ``answer``
    says what its features mean. ``modules`` are the Python modules that decide what it computes: they are part of the
    key of everything that is cached.
    """

    name: str
    input: TensorSpec
    output: TensorSpec
    feed: ImageFeed
    answer: Answer
    modules: tuple[str, ...]
    licence: str = "unknown"
    macs: int | None = None
    """Multiply-accumulates of one inference, as deployed."""

    @abstractmethod
    def load_weights(self, spec: str) -> Weights:
        """Read the weights that ``spec`` names.

        Raises:
            UsageError: ``spec`` cannot be understood.
            LoadError: the file is missing, damaged, or not this model's.
        """

    @abstractmethod
    def load(self, weights: Weights) -> nn.Module:
        """Return the model that a user trained: float32, in eval mode. Everything is measured against it."""

    def deployable(self, module: Any, form: str) -> nn.Module:
        """Return ``module`` rewritten in ``form``, exactly, up to rounding; it shares no tensor with ``module``.

        Forms are named in :mod:`pe_validate.data.recipe`. A family without rewrites deploys the module itself.
        """
        copy: nn.Module = deepcopy(module)
        return copy

    def approximates(self, form: str) -> bool:
        """Return whether the rewrite in ``form`` is exact only up to an approximation, which has a gate of its own."""
        return False

    def exact(self, deployable: Any) -> nn.Module:
        """Return a rewrite without its approximation; it may be changed in place."""
        module: nn.Module = deployable
        return module

    def places(self, module: Any, image: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """Return what ``module``, the model or a rewrite, computes for one image, by the names of places, in order.

        Empty where it has none, and for a module that has lost its structure.
        """
        return {}

    def at_place(self, place: str, value: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return a value of an artifact in the form in which :meth:`places` gives those of ``place``."""
        return np.asarray(value, np.float64)

    def place_of_layer(self, name: str) -> str | None:
        """Return the place of a layer of a rewrite, by the layer's name in its module."""
        return None

    def recognises(self, weights: str) -> bool:
        """Return whether the model with the weights of this name was trained to recognise :meth:`labelled` images."""
        return False

    def labelled(self) -> Labelled | None:
        """Return labelled images for weights that :meth:`recognises` speaks of, if there are any."""
        return None
