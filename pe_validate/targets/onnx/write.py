"""Write an ``.onnx`` file through ``torch.export``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pe_validate.targets.base import Example


def write_onnx(module: nn.Module, example: Example, path: Path, metadata: dict[str, str]) -> None:
    """Export ``module`` for inputs like those of ``example`` to one self-contained, checked file.

    Raises:
        Exception: whatever the exporter or ``onnx.checker`` raises; the caller names the stage.
    """
    import onnx

    program = torch.onnx.export(
        module,
        example.tensors,
        dynamo=True,
        verbose=False,
        dynamic_shapes=example.dynamic_shapes,
        input_names=list(example.inputs),
        output_names=list(example.outputs),
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    program.model.metadata_props.update(metadata)
    program.model.producer_name = "pe_validate"
    program.model.graph.name = metadata["model"]
    program.save(path, external_data=False)
    onnx.checker.check_model(str(path), full_check=True)
