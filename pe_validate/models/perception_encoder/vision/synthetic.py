"""``seed:N``: synthetic weights, the same on every machine, as ``fixtures/reference/README.md`` describes them."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from pe_validate.models.perception_encoder.synthetic import seeded_tensor
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.tower import empty_tower

EMBEDDINGS: Final = ("class_embedding", "positional_embedding", "attn_pool.probe")


def seeded(config: ModelConfig, seed: int) -> dict[str, Tensor]:
    """Return the tensors of ``seed:N`` for a tower with any hyper-parameters."""
    shapes = {name: tuple(tensor.shape) for name, tensor in empty_tower(config).state_dict().items()}
    return {
        name: torch.from_numpy(seeded_tensor(name, name, shape, seed, embeddings=EMBEDDINGS, projection="proj"))
        for name, shape in shapes.items()
    }
