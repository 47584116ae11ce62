"""Variations of a registered model: another image size or batch, a layer's tokens, a head, a normalised output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.own.config import Entry
from pe_validate.models.perception_encoder.model import TowerModel
from pe_validate.models.perception_encoder.text.model import TEXT_MODELS
from pe_validate.models.perception_encoder.vision.model import VISION_MODELS
from pe_validate.system.errors import LoadError, UsageError

if TYPE_CHECKING:
    from torch import nn


class Variation:
    """What a configuration makes of the model that it names as its ``base``."""

    def __init__(self, name: str, entry: Entry, folder: Path) -> None:
        self._name, self._entry, self._folder = name, entry, folder
        base = self._base()
        shown = (base.at_size(entry.image_size) if entry.image_size else base).of_batch(entry.batch)
        self.inputs, self.feed, self.pieces = shown.inputs, shown.feed, shown.pieces
        changed = entry.layer or entry.head or entry.batch > 1
        self.answer = None if changed else base.answer

    def _base(self) -> TowerModel:
        # Not from the registry of all models, which is being made.
        known: dict[str, TowerModel] = {model.name: model for model in (*VISION_MODELS, *TEXT_MODELS)}
        if self._entry.base not in known:
            raise UsageError(f"{self._name} varies '{self._entry.base}': choose one of {', '.join(known)}.")
        return known[self._entry.base]

    def built(self, spec: str) -> tuple[nn.Module, tuple[str, ...]]:
        """Return the module with the weights of ``spec``, and what there is to say of them.

        Raises:
            UsageError, LoadError: the weights or the head cannot be loaded, or there is no such layer.
        """
        from torch import nn

        from pe_validate.models.own.program import Normalise

        entry, base = self._entry, self._base()
        own = entry.weights and f"file:{self._folder / entry.weights}"
        spec = own if own and spec == DEFAULT_WEIGHTS else spec
        if entry.image_size and not base.recognises(spec) and not spec.startswith("seed:"):
            base = base.at_size(entry.image_size)  # so that positions of a checkpoint are resampled once, or not at all
        weights = base.load_weights(spec)
        module = base.load(weights)
        parts = [base.up_to(module, entry.layer) if entry.layer else module]
        if entry.head:
            parts.append(self._head(self._folder / entry.head))
        if entry.normalise:
            parts.append(Normalise())
        return (nn.Sequential(*parts) if len(parts) > 1 else parts[0]), weights.notes

    def _head(self, path: Path) -> nn.Module:
        """Return the linear layer whose ``weight`` ``[classes, width]`` and ``bias`` a checkpoint holds.

        Raises:
            LoadError: it does not hold them.
        """
        from torch import nn

        from pe_validate.models.weights import tensors_in

        found = tensors_in(path)
        matrices = [name for name, tensor in found.items() if name.rpartition(".")[2] == "weight" and tensor.ndim == 2]
        if len(matrices) != 1:
            raise LoadError(f"'{path}' is no linear head of {self._name}: it holds {len(matrices)} matrices 'weight'.")
        weight, bias = found[matrices[0]], found.get(f"{matrices[0].removesuffix('weight')}bias")
        head = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        head.load_state_dict({"weight": weight.float()} | ({} if bias is None else {"bias": bias.float()}))
        return head.eval().requires_grad_(False)
