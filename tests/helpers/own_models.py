"""Small networks as users bring them, and the folder of a project that configures one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

SOURCE = """
import torch
from torch import nn

def build():
    body = [nn.Conv2d(3, 8, 8, 8), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 10)]
    return nn.Sequential(*body)

def restored(weights):
    module = build()
    module.load_state_dict(torch.load(weights, weights_only=True))
    return module

def fails():
    raise RuntimeError("no such backbone")

def no_module():
    return 3
"""

CONFIGURATION = """
[models.mine]
module = "network.py:build"
targets = ["onnx/fp32", "mlpackage/fp16"]
[models.mine.inputs.pixels]
shape = [1, 3, 32, 32]
preprocessing = "imagenet"
"""


def project(folder: Path, configuration: str = CONFIGURATION) -> Path:
    """Write a user's project: a network, and ``pe-validate.toml``."""
    (folder / "network.py").write_text(SOURCE)
    (folder / "pe-validate.toml").write_text(configuration)
    return folder


class Encoder(nn.Module):
    """Convolutions with batch normalisation, then transformer layers, as most encoders of today have."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 8, 8, bias=False), nn.BatchNorm2d(width))
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm = nn.BatchNorm2d(width, affine=False)
        self.first, self.last = nn.LayerNorm(width), nn.LayerNorm(width, elementwise_affine=False)
        self.attend = nn.MultiheadAttention(width, 4, batch_first=True)
        self.head = nn.Linear(width, 5)

    def forward(self, pixels: Tensor) -> dict[str, Tensor]:
        """Return tokens, and one feature for the image."""
        x = self.norm(self.depthwise(self.stem(pixels))).flatten(2).transpose(1, 2)
        y = self.first(x)
        x = self.last(x + self.attend(y, y, y, need_weights=False)[0])
        return {"tokens": x, "feature": self.head(x).mean(1)}


class TextEncoder(nn.Module):
    """Takes integers by name, and gives outputs in a mapping and a tuple, as models of transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm, self.head = nn.Embedding(50, 16), nn.LayerNorm(16), nn.Linear(16, 4)

    def forward(self, tokens: Tensor, mask: Tensor) -> dict[str, object]:
        """Return the state of every token, and what is made of those that are not masked."""
        states = self.norm(self.embed(tokens))
        seen = states * mask.unsqueeze(-1).to(states.dtype)
        return {"states": states, "pooled": (self.head(seen.mean(1)), seen.sum(1)), "cache": None}


def text_encoder() -> TextEncoder:
    """Return a text encoder with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TextEncoder().eval()


def encoder() -> Encoder:
    """Return an encoder that has been trained for a while, as far as its normalisations know."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = Encoder()
        for each in found.modules():
            if isinstance(each, nn.BatchNorm2d):
                assert each.running_mean is not None
                assert each.running_var is not None
                each.running_mean.normal_()
                each.running_var.uniform_(0.5, 2)
    return found.eval()
