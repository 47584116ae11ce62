"""``seed:N``: synthetic weights, the same on every machine, as ``fixtures/reference/text/README.md`` describes them."""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pe_validate.models.perception_encoder.text.config import TextConfig
from pe_validate.models.perception_encoder.text.tower import empty_text_tower


def seeded(config: TextConfig, seed: int) -> dict[str, Tensor]:
    """Return the tensors of ``seed:N`` for a tower with any hyper-parameters."""
    shapes = {name: tuple(tensor.shape) for name, tensor in empty_text_tower(config).state_dict().items()}
    return {name: torch.from_numpy(_seeded_tensor(name, shape, seed)) for name, shape in shapes.items()}


def _seeded_tensor(name: str, shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    rng = np.random.RandomState((zlib.crc32(f"text.{name}".encode()) + seed) % 2**32)
    noise: NDArray[np.float64] = rng.standard_normal(shape)
    if name.endswith(".weight") and len(shape) == 1:
        noise = 1 + 0.1 * noise
    elif name.endswith("bias"):
        noise *= 0.02
    elif name in ("token_embedding.weight", "positional_embedding"):
        noise *= 0.5
    elif name == "text_projection":
        noise /= math.sqrt(shape[0])
    else:
        noise /= math.sqrt(math.prod(shape[1:]))
    return noise.astype(np.float32)
