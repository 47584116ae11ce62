"""Architectures that this project has not written, small, with random weights: each function is a model's factory."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor, nn

SIZES = {"hidden_size": 96, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 192}
"""Of a transformer."""

IMAGES = {"image_size": 96, "patch_size": 16}


def vit() -> Any:
    return transformers.ViTModel(transformers.ViTConfig(**SIZES, **IMAGES))


def deit() -> Any:
    return transformers.DeiTModel(transformers.DeiTConfig(**SIZES, **IMAGES))


def dinov2() -> Any:
    config = transformers.Dinov2Config(
        hidden_size=96, num_hidden_layers=3, num_attention_heads=3, image_size=98, patch_size=14
    )
    return transformers.Dinov2Model(config)


def beit() -> Any:
    return transformers.BeitModel(transformers.BeitConfig(**SIZES, **IMAGES, use_relative_position_bias=True))


def clip_vision() -> Any:
    config = transformers.CLIPVisionConfig(**SIZES, **IMAGES, projection_dim=64)
    return transformers.CLIPVisionModelWithProjection(config)


def clip_text() -> Any:
    config = transformers.CLIPTextConfig(
        **SIZES, vocab_size=500, max_position_embeddings=16, projection_dim=64, eos_token_id=499
    )
    return transformers.CLIPTextModelWithProjection(config)


def siglip() -> Any:
    return transformers.SiglipVisionModel(transformers.SiglipVisionConfig(**SIZES, **IMAGES))


def bert() -> Any:
    return transformers.BertModel(transformers.BertConfig(**SIZES, vocab_size=500, max_position_embeddings=32))


def mobilevit() -> Any:
    config = transformers.MobileViTConfig(
        image_size=96, hidden_sizes=[32, 48, 64], neck_hidden_sizes=[8, 16, 24, 32, 40, 48, 96]
    )
    return transformers.MobileViTModel(config)


def convnext() -> Any:
    return transformers.ConvNextModel(transformers.ConvNextConfig(hidden_sizes=[24, 48, 96, 192], depths=[1, 1, 2, 1]))


def convnextv2() -> Any:
    config = transformers.ConvNextV2Config(hidden_sizes=[24, 48, 96, 192], depths=[1, 1, 2, 1])
    return transformers.ConvNextV2Model(config)


def swin() -> Any:
    config = transformers.SwinConfig(
        image_size=112, patch_size=4, embed_dim=24, depths=[2, 2], num_heads=[2, 4], window_size=7
    )
    return transformers.SwinModel(config)


def segformer() -> Any:
    config = transformers.SegformerConfig(
        hidden_sizes=[16, 32, 64, 96], depths=[1, 1, 1, 1], decoder_hidden_size=48, num_labels=7
    )
    return transformers.SegformerForSemanticSegmentation(config)


def yolos() -> Any:
    config = transformers.YolosConfig(
        **SIZES, image_size=[96, 96], patch_size=16, num_detection_tokens=10, num_labels=7
    )
    return transformers.YolosForObjectDetection(config)


def efficientnet() -> Any:
    config = transformers.EfficientNetConfig(
        image_size=96, width_coefficient=0.5, depth_coefficient=0.5, hidden_dim=640, num_hidden_layers=16
    )
    return _seen(transformers.EfficientNetModel(config))


def resnet() -> Any:
    """ResNet-10 as its paper describes it, in plain torch.nn."""
    stem = [nn.Conv2d(3, 32, 7, 2, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    blocks = [_Residual(32, 32, 1), _Residual(32, 64, 2), _Residual(64, 128, 2), _Residual(128, 256, 2)]
    return _seen(nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(256, 100)))


def mobilenet() -> Any:
    """MobileNetV2 as its paper describes it, at a quarter of its width, in plain torch.nn."""
    widths = ((8, 8, 1, 1), (8, 12, 2, 6), (12, 12, 1, 6), (12, 16, 2, 6), (16, 24, 2, 6), (24, 40, 1, 6))
    stem = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 100)]
    return _seen(nn.Sequential(*stem, *(_Inverted(*each) for each in widths), *head))


class _Residual(nn.Module):
    def __init__(self, taken: int, given: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(taken, given, 3, stride, 1, bias=False),
            nn.BatchNorm2d(given),
            nn.ReLU(),
            nn.Conv2d(given, given, 3, 1, 1, bias=False),
            nn.BatchNorm2d(given),
        )
        past = nn.Sequential(nn.Conv2d(taken, given, 1, stride, bias=False), nn.BatchNorm2d(given))
        self.past = nn.Identity() if taken == given and stride == 1 else past

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.past(x))


class _Inverted(nn.Module):
    def __init__(self, taken: int, given: int, stride: int, factor: int) -> None:
        super().__init__()
        inside = taken * factor
        self.adds = stride == 1 and taken == given
        self.body = nn.Sequential(
            *(nn.Conv2d(taken, inside, 1, bias=False), nn.BatchNorm2d(inside), nn.ReLU6()),
            *(nn.Conv2d(inside, inside, 3, stride, 1, groups=inside, bias=False), nn.BatchNorm2d(inside), nn.ReLU6()),
            *(nn.Conv2d(inside, given, 1, bias=False), nn.BatchNorm2d(given)),
        )

    def forward(self, x: Tensor) -> Tensor:
        body: Tensor = self.body(x)
        return x + body if self.adds else body


def _seen(module: nn.Module) -> nn.Module:
    """Give batch normalisations the statistics of noise, as training would; untrained ones let values vanish."""
    module.train()
    with torch.no_grad():
        for _ in range(20):
            module(torch.randn(8, 3, 96, 96))
    return module.eval()
