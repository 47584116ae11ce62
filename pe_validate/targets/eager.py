"""The model itself, run by eager PyTorch."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pe_validate.data.tensors import TensorSpec
from pe_validate.targets.runtime import Runtime


class Declares(Protocol):
    """Anything that declares an input and an output, such as a :class:`~pe_validate.models.base.Model`."""

    input: TensorSpec
    output: TensorSpec


class EagerRuntime(Runtime):
    """A module that maps one image to features, both of type ``dtype``."""

    def __init__(self, module: nn.Module, model: Declares, dtype: str = "float32") -> None:
        self.producer = f"PyTorch {torch.__version__} eager"
        self.inputs = (replace(model.input, dtype=dtype),)
        self.outputs = (replace(model.output, dtype=dtype),)
        self.module = module

    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        with torch.inference_mode():
            features: NDArray[np.generic] = self.module(torch.from_numpy(image)).numpy()
        return features
