"""Networks that are no vision transformer, written with plain PyTorch, and their conversion."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Quiet: TypeAlias = Callable[[], AbstractContextManager[None]]
"""A context in which coremltools may warn."""


class Convolutions(nn.Sequential):
    """Convolution, batch normalisation, pooling and a classifier, as in the networks of 2015."""

    def __init__(self) -> None:
        super().__init__(
            nn.BatchNorm2d(3),
            nn.ZeroPad2d((2, 0, 1, 1)),  # an odd number of columns, on the left
            nn.Conv2d(3, 8, 5, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(8, 12, 3, dilation=2),
            nn.LeakyReLU(0.1),
            nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False),
            nn.Flatten(),
            nn.Linear(12 * 3 * 3, 10),
            nn.LogSoftmax(-1),
        )


class SqueezeExcite(nn.Module):
    """An inverted bottleneck: depthwise convolution, and channels weighed by their means."""

    def __init__(self) -> None:
        super().__init__()
        self.expand = nn.Sequential(nn.Conv2d(8, 24, 1), nn.BatchNorm2d(24), nn.Hardswish())
        self.depthwise = nn.Sequential(nn.Conv2d(24, 24, 5, padding=2, groups=24), nn.BatchNorm2d(24), nn.Hardswish())
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(24, 6, 1), nn.ReLU6(), nn.Conv2d(6, 24, 1), nn.Hardsigmoid()
        )
        self.project = nn.Conv2d(24, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.depthwise(self.expand(x))
        added: Tensor = self.project(y * self.weigh(y))
        return x + added


class UNet(nn.Module):
    """Down, up by transposed convolution and by interpolation, and skips between."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, 16)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.last = nn.Conv2d(16 + 3, 2, 3, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        skip = F.silu(self.first(x))
        y = self.up(F.elu(self.norm(self.second(skip))))
        small = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
        large = F.interpolate(small, scale_factor=2, mode="nearest")
        return torch.tanh(self.last(torch.cat([skip, y, large], 1)))


class TextTransformer(nn.Module):
    """Embedded tokens, one causal block, and the features of the last token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.positions = nn.Embedding(50, 32), nn.Parameter(torch.randn(12, 32))
        self.attend_norm, self.think_norm = nn.LayerNorm(32), nn.LayerNorm(32)
        self.qkv, self.out = nn.Linear(32, 96), nn.Linear(32, 32)
        self.think = nn.Sequential(nn.Linear(32, 64), nn.GELU(approximate="tanh"), nn.Linear(64, 32))
        self.register_buffer("mask", torch.full((12, 12), -1e4).triu(1))

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.positions
        q, k, v = self.qkv(self.attend_norm(x)).reshape(1, 12, 3, 4, 8).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-1, -2) / 8**0.5 + self.mask
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(1, 12, 32))
        x = x + self.think(self.think_norm(x))
        return F.normalize(x[:, -1], dim=-1)


NETWORKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "convolutions": (Convolutions, (2, 3, 37, 37)),
    "squeeze-excite": (SqueezeExcite, (1, 8, 10, 14)),
    "u-net": (UNet, (1, 3, 16, 24)),
    "text-transformer": (TextTransformer, (1, 12)),
}


def network(name: str) -> tuple[nn.Module, Tensor]:
    """A network with statistics that are not the identity, and an input."""
    build, shape = NETWORKS[name]
    torch.manual_seed(11)
    model = build().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return model, torch.randint(0, 50, shape, dtype=torch.int32) if name == "text-transformer" else torch.randn(shape)


def save(ct: Any, model: nn.Module, x: Tensor, path: Path, target: str = "iOS17", precision: str = "FLOAT32") -> Path:
    """Converted by tracing; input ``x``, output ``y``."""
    with torch.no_grad():
        package = ct.convert(
            torch.jit.trace(model, x, check_trace=False),
            inputs=[ct.TensorType("x", tuple(x.shape), dtype=np.int32 if x.dtype is torch.int32 else np.float32)],
            outputs=[ct.TensorType(name="y", dtype=np.float32)],
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=getattr(ct.precision, precision),
            skip_model_load=True,
        )
    package.save(str(path))
    return path


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, in units of the largest value."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# A float32 sum in another order; the smallest planted fault that matters is a hundred times as large.
LIMIT = 1e-5
