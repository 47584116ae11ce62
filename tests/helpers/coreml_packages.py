"""A small vision transformer as a user configures it, and its conversions to Core ML as strangers make them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

import pe_validate
from pe_validate.system.quiet import quiet_libraries

SIDE: Final = 16

SOURCE: Final = """
import torch
from torch import nn

WIDTH = 24

class Encoder(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.stem = nn.Conv2d(channels, WIDTH, 4, 4)
        self.first, self.last = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.token, self.place = nn.Parameter(torch.randn(1, 1, WIDTH)), nn.Parameter(torch.randn(1, 17, WIDTH))
        self.qkv, self.up, self.head = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 12)
        for norm in (self.first, self.last):
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.normal_(norm.bias)

    def forward(self, image):
        x = self.stem(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.token, x], 1) + self.place
        q, k, v = self.qkv(self.first(x)).chunk(3, -1)
        x = x + torch.softmax(q @ k.transpose(1, 2) * 0.21, -1) @ v
        return self.head(nn.functional.gelu(self.up(self.last(x)))[:, 0])

def colour():
    return Encoder(3)

def grey():
    return Encoder(1)
"""

CONFIGURATION: Final = "".join(
    f"""
[models.{name}]
module = "network.py:{name}"
targets = ["mlpackage"]
[models.{name}.inputs.image]
shape = [1, {channels}, {SIDE}, {SIDE}]
preprocessing = "pe"
"""
    for name, channels in (("colour", 3), ("grey", 1))
)


def project(folder: Path) -> Path:
    """Write the project; return its configuration."""
    (folder / "network.py").write_text(SOURCE)
    (folder / "pe-validate.toml").write_text(CONFIGURATION)
    return folder / "pe-validate.toml"


def save(module: nn.Module, path: Path, *, channels: int = 3, precision: str = "FLOAT16", **options: Any) -> Path:
    """Convert by tracing: input ``image``, output ``features``, both float32 unless ``options`` say otherwise."""
    example = torch.zeros(1, channels, SIDE, SIDE)
    with quiet_libraries(), pe_validate.coreml_workarounds(), torch.no_grad():
        import coremltools as ct

        chosen: dict[str, Any] = {
            "inputs": [ct.TensorType(name="image", shape=tuple(example.shape))],
            "outputs": [ct.TensorType(name="features")],
            "compute_precision": getattr(ct.precision, precision),
            "minimum_deployment_target": ct.target.iOS17,
        }
        traced = torch.jit.trace(module, example, check_trace=False)
        model = ct.convert(traced, convert_to="mlprogram", skip_model_load=True, **chosen | options)
    model.save(str(path))
    return path
