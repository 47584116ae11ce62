"""``seed:N+outliers``: synthetic weights with the properties of trained transformers that are hard to quantise.

Gaussian weights flatter quantisation. Trained weights were found to have

- a few channels that are 20 to 100 times as large as the rest, in every token (Dettmers et al. 2022,
  arXiv:2208.07339; Xiao et al. 2023, arXiv:2211.10438; in BERT's residual stream, Bondarenko et al. 2021,
  arXiv:2109.12948);
- massive activations in a few tokens, vision transformers included (Sun et al. 2024, arXiv:2402.17762; Darcet et
  al. 2024, arXiv:2309.16588);
- weights with heavy tails (Martin and Mahoney 2021, JMLR 22:165).

Here every projection is drawn from Student's t distribution, and in every block eight hidden units of the MLP have a
gain of 20 to 100, fire for some of the tokens, and write to the same three channels of the residual stream.
"""

from __future__ import annotations

import zlib
from typing import Final

import numpy as np
import torch
from torch import Tensor

from pe_validate.models.perception_encoder.vision.config import ModelConfig

DEGREES_OF_FREEDOM: Final = 5
"""Parameter of Student's t distribution, whose kurtosis is then 9, where a Gaussian's is 3."""

CHANNELS: Final = 3
"""Outlier channels of the residual stream."""

UNITS: Final = 8
"""Hidden units with a large gain in each block."""

GAIN: Final = (20.0, 100.0)
THRESHOLD: Final = 1.0
"""The threshold of such a unit, in standard deviations of its input: it fires for about one token in six."""

PROJECTIONS: Final = ("attn.in_proj_weight", "attn.out_proj.weight", "mlp.c_fc.weight", "mlp.c_proj.weight")


def add_outliers(tensors: dict[str, Tensor], config: ModelConfig, seed: int) -> None:
    """Give the Gaussian ``tensors`` of ``seed`` heavy tails and outliers, in place."""
    channels = _rng("channels", seed).choice(config.width, CHANNELS, replace=False)
    for layer in range(config.layers):
        block = f"transformer.resblocks.{layer}"
        for projection in PROJECTIONS:
            name = f"{block}.{projection}"
            tensors[name] *= _student(tuple(tensors[name].shape), _rng(name, seed))
        rng = _rng(block, seed)
        for unit in rng.choice(config.mlp_width, UNITS, replace=False):
            gain = float(np.exp(rng.uniform(*np.log(GAIN))))
            row = tensors[f"{block}.mlp.c_fc.weight"][unit]
            spread = float(row.norm())  # standard deviation of the unit's input, since what it reads has unit variance
            row *= gain
            tensors[f"{block}.mlp.c_fc.bias"][unit] = -THRESHOLD * spread * gain
            column = tensors[f"{block}.mlp.c_proj.weight"][:, unit]
            column /= gain
            column[channels] = torch.from_numpy(rng.choice([-1.0, 1.0], CHANNELS) / UNITS).float()


def _student(shape: tuple[int, ...], rng: np.random.RandomState) -> Tensor:
    """Return factors that turn standard normal numbers into Student's t with unit variance."""
    scale = np.sqrt((DEGREES_OF_FREEDOM - 2) / rng.chisquare(DEGREES_OF_FREEDOM, shape))
    return torch.from_numpy(scale.astype(np.float32))


def _rng(name: str, seed: int) -> np.random.RandomState:
    return np.random.RandomState((zlib.crc32(f"outliers {name}".encode()) + seed) % 2**32)
