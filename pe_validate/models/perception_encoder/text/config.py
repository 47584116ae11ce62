"""Hyper-parameters of the published text towers, and of PE-Nano's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VOCABULARY: Final = 49408
"""Tokens: of CLIP's byte-pair encoding, then start and end of text."""

START_OF_TEXT: Final = 49406
END_OF_TEXT: Final = 49407
"""The largest id, which is where the features are read."""


@dataclass(frozen=True, slots=True)
class TextConfig:
    """Hyper-parameters of one tower, which takes ids ``[batch, context]`` and gives ``[batch, output_dim]``."""

    name: str
    width: int
    heads: int
    layers: int
    output_dim: int
    context: int = 32
    mlp_ratio: float = 4.0

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
        """Multiply-accumulates of one inference as deployed, which projects every token."""
        block = self.context * self.width * (4 * self.width + 2 * self.mlp_width + 2 * self.context)
        return self.layers * block + self.context * self.width * self.output_dim


def _small(name: str) -> TextConfig:
    return TextConfig(name, width=512, heads=8, layers=12, output_dim=512)


def _large(name: str) -> TextConfig:
    return TextConfig(name, width=1024, heads=16, layers=24, output_dim=1024)


NANO_TEXT: Final = TextConfig("PE-Nano-text", width=64, heads=4, layers=4, output_dim=64)
"""The text side of PE-Nano, small, with CLIP's whole vocabulary."""

TEXT_CONFIGS: Final[dict[str, TextConfig]] = {
    config.name: config
    for config in (
        _small("PE-Core-T16-384-text"),
        _small("PE-Core-S16-384-text"),
        _large("PE-Core-B16-224-text"),
        _large("PE-Core-L14-336-text"),
        NANO_TEXT,
    )
}
"""Every text tower by name: that of the vision tower, and ``-text``."""
