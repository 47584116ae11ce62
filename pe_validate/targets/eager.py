"""Eager PyTorch: the model itself."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pe_validate.data.artifact import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.targets.runtime import Runtime


class EagerRuntime(Runtime):
    """A module that maps one image to features, both of type ``dtype``."""

    def __init__(self, module: nn.Module, config: ModelConfig, dtype: str = "float32") -> None:
        self.producer = f"PyTorch {torch.__version__} eager"
        self.inputs = (TensorSpec(INPUT_NAME, config.input_shape, dtype),)
        self.outputs = (TensorSpec(OUTPUT_NAME, config.output_shape, dtype),)
        self.module = module

    def _run(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        with torch.inference_mode():
            features: NDArray[np.generic] = self.module(torch.from_numpy(image)).numpy()
        return features
