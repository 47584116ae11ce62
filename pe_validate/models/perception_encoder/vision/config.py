"""Published hyper-parameters of the Perception Encoders' vision towers.

Source: facebookresearch/perception_models, ``core/vision_encoder/config.py``, and the model cards of
``facebook/PE-Core-*`` and ``facebook/PE-Spatial-*``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The hyper-parameters of one vision tower.

    ``image_size`` is the side, in pixels, of the square images that it was pre-trained on. A model with ``pool_heads``
    returns one pooled feature vector, ``[batch, output_dim or width]``; one without returns every token,
    ``[batch, tokens, output_dim or width]``, the class token first.
    """

    name: str
    image_size: int
    patch_size: int
    width: int
    layers: int
    heads: int
    mlp_ratio: float = 4.0
    class_token: bool = True
    pool_heads: int | None = 8
    ln_post: bool = True
    output_dim: int | None = None
    layer_scale: bool = False

    @property
    def grid(self) -> int:
        """Patches along one side."""
        return self.image_size // self.patch_size

    @property
    def tokens(self) -> int:
        """Length of the token sequence, class token included."""
        return self.grid**2 + int(self.class_token)

    @property
    def head_dim(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def mlp_width(self) -> int:
        """Hidden channels of a block's MLP."""
        return int(self.width * self.mlp_ratio)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference as deployed, with the pooling probe's query folded into its keys."""
        patches, pixels = self.grid**2, 3 * self.patch_size**2
        block = self.tokens * self.width * (4 * self.width + 2 * self.mlp_width + 2 * self.tokens)
        total = patches * pixels * self.width + self.layers * block
        if self.pool_heads:
            total += self.tokens * self.width * (self.width + self.pool_heads + 1) + 9 * self.width**2
        return total + (self.output_dim or 0) * self.width * (1 if self.pool_heads else self.tokens)

    @property
    def input_shape(self) -> tuple[int, int, int, int]:
        """``[1, 3, height, width]``, the static input shape of every artifact."""
        return (1, 3, self.image_size, self.image_size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """``[1, dim]`` when pooled, else ``[1, tokens, dim]``."""
        dim = self.output_dim or self.width
        return (1, dim) if self.pool_heads else (1, self.tokens, dim)


def _spatial(core: ModelConfig, name: str) -> ModelConfig:
    return replace(core, name=name, image_size=512, pool_heads=None, ln_post=False, output_dim=None)


_T16 = ModelConfig("PE-Core-T16-384", 384, 16, width=192, layers=12, heads=3, output_dim=512)
_S16 = ModelConfig("PE-Core-S16-384", 384, 16, width=384, layers=12, heads=6, output_dim=512)
_B16 = ModelConfig("PE-Core-B16-224", 224, 16, width=768, layers=12, heads=12, output_dim=1024)
NANO: Final = ModelConfig("PE-Nano", 64, 8, width=128, layers=6, heads=4, output_dim=64)
"""A small model of the same architecture, trained by ``fixtures/nano/train.py``; its weights are ``trained``."""

_L14 = ModelConfig("PE-Core-L14-336", 336, 14, width=1024, layers=24, heads=16, output_dim=1024)

MODELS: Final[dict[str, ModelConfig]] = {
    config.name: config
    for config in (
        _T16,
        _S16,
        _B16,
        _spatial(_T16, "PE-Spatial-T16-512"),
        _spatial(_S16, "PE-Spatial-S16-512"),
        _L14,
        _spatial(_B16, "PE-Spatial-B16-512"),
        NANO,
    )
}
"""Every vision model by name: the published ones, then PE-Nano."""

LICENCE: Final = "Perception Encoder, Meta Platforms, Inc.: Apache-2.0"
"""Licence of the published weights, according to their model cards; written into every artifact."""

IMAGENET: Final = {"PE-Core-T16-384": 62.1, "PE-Core-S16-384": 72.7, "PE-Core-B16-224": 78.4}
"""Zero-shot top-1 on ImageNet-1k in per cent, as published in the models' cards; nothing is judged by it."""
