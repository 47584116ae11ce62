"""Write an ``.onnx`` file through ``torch.export``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME


def write_onnx(module: nn.Module, image: Tensor, path: Path, metadata: dict[str, str]) -> None:
    """Export ``module`` for inputs of ``image``'s shape to one self-contained, checked file.

    Raises:
        Exception: whatever the exporter or ``onnx.checker`` raises; the caller names the stage.
    """
    import onnx

    program = torch.onnx.export(
        module,
        (image,),
        dynamo=True,
        verbose=False,
        input_names=[INPUT_NAME],
        output_names=[OUTPUT_NAME],
    )
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    program.model.metadata_props.update(metadata)
    program.model.producer_name = "pe_validate"
    program.model.graph.name = metadata["model"]
    program.save(path, external_data=False)
    onnx.checker.check_model(str(path), full_check=True)
