"""The model itself, run by eager PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import nn

from pe_validate.data.tensors import Interface
from pe_validate.targets.runtime import Given, Runtime


class Declares(Protocol):
    """Anything that has an interface, such as a :class:`~pe_validate.models.base.Model`."""

    @property
    def interface(self) -> Interface:
        """Its inputs and outputs, in float32 and integers."""


class EagerRuntime(Runtime):
    """A module whose floating-point inputs and outputs are of type ``dtype``."""

    def __init__(self, module: nn.Module, model: Declares, dtype: str = "float32") -> None:
        self.producer = f"PyTorch {torch.__version__} eager"
        self.interface = model.interface
        self.inputs = tuple(spec.as_floats(dtype) for spec in model.interface.inputs)
        self.outputs = tuple(spec.as_floats(dtype) for spec in model.interface.outputs)
        self.module = module

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        with torch.inference_mode():
            answer = self.module(*map(torch.from_numpy, given))
        answers = answer if isinstance(answer, (tuple, list)) else (answer,)
        return [answers[index].numpy() for index in wanted]
