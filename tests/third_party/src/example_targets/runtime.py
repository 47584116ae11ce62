"""TorchScript files, written and run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.targets.runtime import Given, Runtime


def write_torchscript(module: nn.Module, image: Tensor, path: Path) -> None:
    """Trace ``module`` and save it with the shapes of its input and output."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        traced = torch.jit.trace(module, image, check_trace=False)
        shapes = f"{list(image.shape)}{list(module(image).shape)}"
        torch.jit.save(traced, path, _extra_files={"shapes": shapes})


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()


class TorchScriptRuntime(Runtime):
    """A traced module."""

    def __init__(self, path: Path) -> None:
        files = {"shapes": ""}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._module = torch.jit.load(path, _extra_files=files)
        except RuntimeError as error:
            raise RunError(f"'{path}' is not a TorchScript file, or truncated.") from error
        text = files["shapes"]
        given, answered = (part.strip("[]").split(", ") for part in _text(text).split("]["))
        self.producer = f"TorchScript of PyTorch {torch.__version__}"
        self.inputs = (TensorSpec(INPUT_NAME, tuple(map(int, given)), "float32"),)
        self.outputs = (TensorSpec(OUTPUT_NAME, tuple(map(int, answered)), "float32"),)

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; a traced module gives one output."""
        with torch.inference_mode():
            return [self._module(*map(torch.from_numpy, given)).numpy()]
