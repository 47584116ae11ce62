"""The base class of models: a model is a value that knows its weights, inputs, outputs and deployable forms.

A family of models is a subclass; a model is an instance, registered in :mod:`pe_validate.models.registry` or by another
distribution through the entry-point group ``pe_validate.models``. Importing a model does not load torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from pe_validate.data.contract import Contract
from pe_validate.data.limits import Pieces, Tolerance
from pe_validate.data.tensors import Interface, TensorSpec
from pe_validate.inputs.feed import Feed
from pe_validate.system.errors import UsageError
from pe_validate.tasks.answer import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from pe_validate.models.mistake import Mistake
    from pe_validate.models.weights import Weights
    from pe_validate.tasks.accuracy import Labelled


DEFAULT_WEIGHTS: Final = "seed:7"
TRAINED: Final = "trained"
"""Weights specs: the default, which is synthetic, and the trained weights that come with the project."""
EMA: Final = "+ema"
"""The end of the spec of a checkpoint of which the moving average of the weights is taken."""


class Model(ABC):
    """Base class of models.

    ``inputs`` and ``outputs`` are what its artifacts declare in float32; a module with several outputs gives them as a
    tuple. ``feed`` makes its inputs, and ``answer`` says what its features mean, if they are embeddings. ``modules``
    names the Python modules that decide what it computes; their digest is part of every cache key.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    feed: Feed
    answer: Answer | None = None
    modules: tuple[str, ...]
    licence: str = "unknown"
    kinds: tuple[str, ...] = ()
    """What it is validated as, such as ``onnx/fp32`` or ``pte``; every target and precision if there are none."""
    contract: Contract | None = None
    """How the interface of files that others make of it differs from its own, if that is meant."""
    lengths: Mapping[str, Mapping[int, tuple[int, int]]] = MappingProxyType({})
    """The least and the largest length of axes that may have any, by input and number of the axis."""
    macs: int | None = None
    """Multiply-accumulates of one inference in the deployed form."""
    imagenet: float | None = None
    """Published zero-shot top-1 on ImageNet-1k, in per cent."""

    @staticmethod
    def from_module(
        module: nn.Module,
        example_inputs: Tensor | tuple[Tensor, ...] | Mapping[str, Tensor],
        *,
        name: str,
        outputs: tuple[str, ...] = (),
        targets: tuple[str, ...] = (),
        answer: Literal["embedding", "tensor"] = "tensor",
        dynamic: Mapping[str, Mapping[int, tuple[int, int]]] = MappingProxyType({}),
    ) -> Model:
        """Return a model of a module in memory, known by ``name`` until this process ends.

        ``example_inputs`` are tensors, by the names of the parameters of ``forward`` or in their order: they and
        noise like them are what the module is validated on. ``outputs`` chooses among several: keys of a mapping, or
        places in a sequence; by default all are validated. ``targets`` are such as
        ``("onnx", "pte/int8")``, by default all. ``dynamic`` has the least and the largest length of axes that may have
        any: ``{"image": {0: (1, 8)}}``. ``module`` itself is not changed.

        Raises:
            UsageError: another model has this name, or an input is neither float32 nor of integers.
            LoadError: the module fails, has no such output, or cannot be captured.
        """
        from pe_validate.models.own.memory import register

        return register(
            module, example_inputs, name=name, outputs=outputs, targets=targets, answer=answer, dynamic=dynamic
        )

    def example_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Return the shapes of inputs that exporters are shown, by name."""
        return {spec.name: spec.shape for spec in self.inputs}

    def dynamic_shapes(self) -> tuple[dict[int, Any], ...] | None:
        """Return the axes of any length, as ``torch.export`` takes them; None if there are none."""
        from torch.export import Dim

        if not self.lengths:
            return None
        return tuple(
            {axis: Dim.DYNAMIC(min=least, max=most) for axis, (least, most) in self.lengths.get(spec.name, {}).items()}
            for spec in self.inputs
        )

    @property
    def interface(self) -> Interface:
        """Its inputs and outputs."""
        return Interface(self.inputs, self.outputs)

    @property
    def input(self) -> TensorSpec:
        """The only input."""
        (only,) = self.inputs
        return only

    @property
    def output(self) -> TensorSpec:
        """The only output."""
        (only,) = self.outputs
        return only

    @abstractmethod
    def load_weights(self, spec: str) -> Weights:
        """Read the weights that ``spec`` names.

        Raises:
            UsageError: ``spec`` is not valid.
            LoadError: the file is missing, damaged, or not this model's.
        """

    @abstractmethod
    def load(self, weights: Weights) -> nn.Module:
        """Return the trained model, in float32 and eval mode; everything is measured against it."""

    def deployable(self, module: Any, form: str) -> nn.Module:
        """Return ``module`` rewritten in ``form``, equal up to rounding; it shares no tensor with ``module``.

        Forms are named in :mod:`pe_validate.data.recipe`. A family without rewrites deploys a copy of the module.
        """
        copy: nn.Module = deepcopy(module)
        return copy

    def up_to(self, module: Any, layer: int) -> nn.Module:
        """Return ``module``, this model loaded, cut off after ``layer`` of its layers.

        Raises:
            UsageError: it has no such layer.
        """
        raise UsageError(f"{self.name} has no layers by number.")

    def at_size(self, size: int) -> Model:
        """Return the model of which checkpoints have positions for square images of ``size``; itself if none have."""
        return self

    def limit(self, kind: str, gate: str) -> Tolerance | None:
        """Return the model's own row of limits for a kind, such as ``onnx/fp32``, and a gate; None for the usual."""
        return None

    def pieces(self, kind: str) -> Pieces | None:
        """Return the pieces that programs of a kind may fall into; None for a single delegate call."""
        return None

    def approximates(self, form: str) -> bool:
        """Return whether the rewrite in ``form`` contains an approximation; a separate gate judges its error."""
        return False

    def exact(self, deployable: Any) -> nn.Module:
        """Return a rewrite without its approximation; ``deployable`` may be changed in place."""
        module: nn.Module = deployable
        return module

    def places(self, module: Any, image: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """Return the values that ``module``, the model or a rewrite, computes for one image, by place, in order.

        The result is empty for a model without named places, and for a module that has lost its structure.
        """
        return {}

    def at_place(self, place: str, value: NDArray[np.generic]) -> NDArray[np.float64]:
        """Return an artifact's value converted to the form of the values that :meth:`places` returns for ``place``."""
        import numpy as np

        return np.asarray(value, np.float64)

    def place_of_layer(self, name: str) -> str | None:
        """Return the place that a layer of a rewrite belongs to, or None; ``name`` is its name in the module."""
        return None

    def mistakes(self) -> Sequence[Mistake]:
        """Return the mistakes that are made with models of this family, likely ones first; those of any model apart."""
        return ()

    def recognises(self, weights: str) -> bool:
        """Return whether the weights with this spec were trained to recognise the :meth:`labelled` images."""
        return False

    def labelled(self) -> Labelled | None:
        """Return the labelled images that come with the model, if any."""
        return None
