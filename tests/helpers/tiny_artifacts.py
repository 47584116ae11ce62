"""Artifacts small enough to be exported in a test, by the project's own exporters.

They take ``image`` float32 [1, 3, 32, 32] and give ``features`` float32 [1, 8].
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Final

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from pe_validate.data.structure import Delegation
from pe_validate.models.base import Model
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.model import VisionModel
from pe_validate.models.weights import Weights, weights_digest
from pe_validate.targets.base import Example

CONFIG: Final = ModelConfig("tiny", image_size=32, patch_size=8, width=8, layers=1, heads=1)
"""Has the same input and output."""

METADATA = {"model": "tiny", "precision": "fp32", "weights": "seed:0", "weights_sha256": "0" * 64, "licence": "none"}


def tiny_module() -> nn.Module:
    """A convolution and a linear layer: every pixel has its own influence, so a wrong layout shows."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 8, stride=8), nn.Flatten(), nn.Linear(4 * 16, 8)).eval()


def line_module() -> nn.Linear:
    """One product of 128 terms, whose weights are float16's."""
    torch.manual_seed(0)
    layer = nn.Linear(128, 16, bias=False).eval().requires_grad_(False)
    layer.weight.copy_(layer.weight.half())
    return layer


class TinyModel(Model):
    """The module as a model under test, with inputs and outputs of ``config``; it is not rewritten."""

    modules = (__name__,)

    def __init__(self, config: ModelConfig = CONFIG, module: nn.Module | None = None) -> None:
        vision = VisionModel(config)
        self.name, self.inputs, self.outputs = vision.name, vision.inputs, vision.outputs
        self.feed, self.answer = vision.feed, vision.answer
        self._module = module or tiny_module()

    def load_weights(self, spec: str) -> Weights:
        tensors = self._module.state_dict()
        return Weights(spec, weights_digest(tensors), tensors)

    def load(self, weights: Weights) -> nn.Module:
        return deepcopy(self._module).requires_grad_(False)


class CumulativeSum(nn.Module):
    """Has an operator, ``cumsum``, that XNNPACK does not take."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = tiny_module(), nn.Linear(8, 8)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.after(torch.cumsum(self.before(image), 1))
        return features


def write_all(folder: Path) -> None:
    """Write every artifact into ``folder``, and ``delegations.json``: what ``delegation()`` says of the programs.

    To be called in a child: exporters print and warn, and take long to be imported.
    """
    from pe_validate.targets.coreai.write import write_aimodel
    from pe_validate.targets.onnx.write import write_onnx
    from pe_validate.targets.pte_coreml.write import write_pte_coreml
    from pe_validate.targets.schemes import round_constants
    from pe_validate.targets.xnnpack.delegation import delegation
    from pe_validate.targets.xnnpack.write import write_pte

    image = torch.zeros(CONFIG.input_shape)
    write_onnx(tiny_module(), Example.of(image), folder / "tiny.onnx", METADATA)
    write_pte(tiny_module(), Example.of(image), folder / "tiny.pte", METADATA)
    write_pte(CumulativeSum().eval(), Example.of(image), folder / "cumsum.pte", METADATA)
    write_pte_coreml(tiny_module(), Example.of(image), folder / "tiny.coreml.pte", METADATA, "fp32")
    write_aimodel(tiny_module(), Example.of(image), folder / "tiny-fp32.aimodel", METADATA, "fp32")
    rounded = round_constants(tiny_module())
    write_aimodel(rounded, Example.of(image), folder / "tiny-fp16.aimodel", METADATA | {"precision": "fp16"}, "fp16")
    line = Example.of(torch.zeros(8, 128))
    write_aimodel(line_module(), line, folder / "line-fp16.aimodel", METADATA | {"precision": "fp16"}, "fp16")
    programs = sorted(folder.glob("*.pte"))
    (folder / "delegations.json").write_bytes(
        TypeAdapter(dict[str, Delegation]).dump_json({path.name: delegation(path) for path in programs})
    )


class BySigmoid(nn.Module):
    """GELU by a sigmoid, which multiplies by a number without axes."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_module()

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.inner(image)
        return features * torch.sigmoid(1.702 * features)


def write_by_sigmoid(target: str, precision: str, path: Path) -> None:
    """Write that module; to be called in a child."""
    from pe_validate.targets.registry import target_named

    image = torch.zeros(CONFIG.input_shape)
    target_named(target).write(BySigmoid().eval(), Example.of(image), path, METADATA, precision)
