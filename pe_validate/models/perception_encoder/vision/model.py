"""The vision towers as models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isqrt
from typing import TYPE_CHECKING, Any, Final

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.inputs.feed import ImageFeed
from pe_validate.models.base import TRAINED
from pe_validate.models.perception_encoder.model import READERS, TowerModel
from pe_validate.models.perception_encoder.vision.config import IMAGENET, MODELS, NANO, ModelConfig
from pe_validate.system.errors import UsageError
from pe_validate.tasks.answer import ONE_EMBEDDING, tokens

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from pe_validate.models.mistake import Mistake
    from pe_validate.models.perception_encoder.vision.deploy import Style
    from pe_validate.models.perception_encoder.vision.tower import VisionTower
    from pe_validate.models.weights import Sources
    from pe_validate.tasks.accuracy import Labelled

_HERE: Final = "pe_validate.models.perception_encoder.vision"
_MODULES: Final = tuple(f"{_HERE}.{name}" for name in ("config", "tower", "deploy", "synthetic", "outliers"))
"""The modules that decide what a tower and its rewrites compute."""


class VisionModel(TowerModel):
    """One Perception Encoder vision tower."""

    modules = (*READERS, *_MODULES)

    def __init__(self, config: ModelConfig, batch: int = 1) -> None:
        self.config = config
        self.name = config.name
        self.inputs = (TensorSpec(INPUT_NAME, (batch, *config.input_shape[1:]), "float32"),)
        self.outputs = (TensorSpec(OUTPUT_NAME, (batch, *config.output_shape[1:]), "float32"),)
        self.feed = ImageFeed(config.image_size, batch=batch)
        self.answer = ONE_EMBEDDING if config.pool_heads else tokens(int(config.class_token))
        self.macs = config.macs
        self.imagenet = IMAGENET.get(config.name)

    def sources(self) -> Sources:
        """Return its sources: ``seed:N``, ``seed:N+outliers``, ``trained`` (PE-Nano), ``file:PATH`` and ``hf:REPO``."""
        from pe_validate.models.weights import Sources

        families, expected = ("", "outliers"), self.empty().state_dict()
        return Sources(self.name, expected, self._seeded, families, self._trained, self._resampled)

    def _resampled(self, name: str, tensor: Tensor) -> tuple[Tensor, str] | None:
        """Return positions of another image size at this one's, as Meta's code resamples them, and a note."""
        from pe_validate.models.perception_encoder.vision.tower import position_table

        config = self.config
        side = isqrt(max(tensor.shape[0] - config.class_token, 0)) if tensor.dim() == 2 else 0
        if name != "positional_embedding" or tensor.shape != (side**2 + config.class_token, config.width) or not side:
            return None
        there = replace(config, image_size=side * config.patch_size)
        note = f"Positions are of {side} × {side} patches and were resampled to {config.grid} × {config.grid}."
        return position_table(there, tensor.float(), (config.grid, config.grid)), note

    def at_size(self, size: int) -> VisionModel:
        """Return the tower for images of another size, with as many positions in its checkpoints."""
        return VisionModel(replace(self.config, image_size=size))

    def of_batch(self, batch: int) -> VisionModel:
        """Return the tower that takes so many images at once."""
        return VisionModel(self.config, batch)

    def _seeded(self, seed: int, family: str) -> dict[str, Tensor]:
        from pe_validate.models.perception_encoder.vision.outliers import add_outliers
        from pe_validate.models.perception_encoder.vision.synthetic import seeded

        tensors = seeded(self.config, seed)
        if family:
            add_outliers(tensors, self.config, seed)
        return tensors

    def _trained(self) -> dict[str, Tensor]:
        from safetensors.torch import load_file

        from pe_validate.models.perception_encoder.vision.nano import trained_file

        if self.config != NANO:
            raise self.untrained(NANO.name)
        return load_file(trained_file())

    def empty(self) -> VisionTower:
        """Return the tower without values."""
        from pe_validate.models.perception_encoder.vision.tower import empty_tower

        return empty_tower(self.config)

    def rewritten(self, module: Any, style: Style) -> nn.Module:
        """Return the rewrite of :mod:`~pe_validate.models.perception_encoder.vision.deploy`."""
        from pe_validate.models.perception_encoder.vision.deploy import deploy

        return deploy(module, style=style)

    def up_to(self, module: Any, layer: int) -> nn.Module:
        """See :meth:`TowerModel.up_to`."""
        if not 1 <= layer <= self.config.layers:
            raise UsageError(f"{self.name} has layers 1 to {self.config.layers}, and no layer {layer}.")
        shorter: nn.Module = module.up_to(layer)
        return shorter

    def places(self, module: Any, image: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """See :mod:`~pe_validate.models.perception_encoder.vision.places`."""
        from pe_validate.models.perception_encoder.vision.places import places_of

        return places_of(module, image)

    def place_of_layer(self, name: str) -> str | None:
        """Return the place of a layer: ``encoder.block2.contract.weight`` is in ``block 2 MLP``."""
        from pe_validate.models.perception_encoder.vision.places import place_of_layer

        return place_of_layer(name)

    def mistakes(self) -> Sequence[Mistake]:
        """See :mod:`~pe_validate.models.perception_encoder.vision.mistakes`."""
        from pe_validate.models.perception_encoder.vision.mistakes import mistakes

        return mistakes(self.config)

    def recognises(self, weights: str) -> bool:
        """Return whether this is PE-Nano with its trained weights."""
        return self.config == NANO and weights == TRAINED

    def labelled(self) -> Labelled | None:
        """Return the held-out images of PE-Nano."""
        from pe_validate.models.perception_encoder.vision.nano import held_out

        return held_out() if self.config == NANO else None


VISION_MODELS: Final = tuple(VisionModel(config) for config in MODELS.values())
"""Every published tower, then PE-Nano."""
