"""Photographs become other tensors than those that the model was trained on."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from planting import EAGER, fault
from torch.nn import functional as F

from pe_validate.inputs import images
from pe_validate.inputs.images import Pixels
from pe_validate.inputs.preprocessing import PREPROCESSINGS


@fault("preprocessing", kinds=EAGER)
def resized_without_antialias(patch: pytest.MonkeyPatch) -> None:
    """Photographs are made smaller by bilinear interpolation of four pixels, as tensors are by default."""

    def squash(photograph: Image.Image, size: int, width: int | None = None) -> Pixels:
        whole = torch.from_numpy(np.asarray(photograph.convert("RGB"), np.float32)).permute(2, 0, 1)[None]
        resized = F.interpolate(whole, (size, width or size), mode="bilinear")
        return resized[0].permute(1, 2, 0).round().byte().numpy()

    patch.setattr(images, "squash", squash)


@fault("preprocessing", kinds=EAGER)
def centre_crop_instead_of_squash(patch: pytest.MonkeyPatch) -> None:
    """The shorter side is made to fit, and what the longer one has more is cut off."""
    squash = images.squash

    def crop(photograph: Image.Image, size: int, width: int | None = None) -> Pixels:
        side = min(photograph.size)
        left, top = ((length - side) // 2 for length in photograph.size)
        return squash(photograph.crop((left, top, left + side, top + side)), size, width)

    patch.setattr(images, "squash", crop)


@fault("preprocessing", kinds=EAGER)
def photographs_read_as_bgr(patch: pytest.MonkeyPatch) -> None:
    """Pixels come in OpenCV's order."""
    squash = images.squash
    patch.setattr(images, "squash", lambda *given: squash(*given)[..., ::-1])


@fault("preprocessing", kinds=EAGER)
def normalised_like_imagenet(patch: pytest.MonkeyPatch) -> None:
    """Tensors are made with ImageNet's mean and standard deviation."""
    normalised(patch, "imagenet")


@fault("preprocessing", kinds=EAGER)
def not_normalised(patch: pytest.MonkeyPatch) -> None:
    """Tensors are made of numbers from 0 to 1."""
    normalised(patch, "unit")


def normalised(patch: pytest.MonkeyPatch, preprocessing: str) -> None:
    normalize = images.normalize
    patch.setattr(images, "normalize", lambda pixels, _: normalize(pixels, PREPROCESSINGS[preprocessing]))
