"""A small image encoder that is no Perception Encoder."""

from __future__ import annotations

from torch import Tensor, nn


class Network(nn.Module):
    """Images ``[batch, 3, 32, 32]`` → embeddings ``[batch, 24]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 4, stride=4)
        self.hidden = nn.Linear(16 * 64, 96)
        self.out = nn.Linear(96, 24)

    def forward(self, image: Tensor) -> Tensor:
        """Encode."""
        features: Tensor = self.out(self.hidden(self.stem(image).relu().flatten(1)).relu())
        return features
