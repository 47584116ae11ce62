"""``seed:N``: synthetic weights, the same on every machine, as ``fixtures/reference/text/README.md`` describes them."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from pe_validate.models.perception_encoder.synthetic import seeded_tensor
from pe_validate.models.perception_encoder.text.config import TextConfig
from pe_validate.models.perception_encoder.text.tower import empty_text_tower

EMBEDDINGS: Final = ("token_embedding.weight", "positional_embedding")


def seeded(config: TextConfig, seed: int) -> dict[str, Tensor]:
    """Return the tensors of ``seed:N`` for a tower with any hyper-parameters."""
    shapes = {name: tuple(tensor.shape) for name, tensor in empty_text_tower(config).state_dict().items()}
    return {
        name: torch.from_numpy(
            seeded_tensor(f"text.{name}", name, shape, seed, embeddings=EMBEDDINGS, projection="text_projection")
        )
        for name, shape in shapes.items()
    }
