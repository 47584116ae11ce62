"""Module → Core ML ``.mlpackage``: an ML Program for iOS 17, or iOS 18 where weights are in blocks.

Conversion needs no Mac; prediction does.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pe_validate.export.artifact import INPUT_NAME, OUTPUT_NAME


def write_mlpackage(module: nn.Module, image: Tensor, path: Path, metadata: dict[str, str], precision: str) -> None:
    """Convert ``module`` for inputs of ``image``'s shape, computing in fp32 where that is the precision, else in fp16.

    Input and output stay float32 in either precision.

    Raises:
        Exception: whatever coremltools raises; the caller names the stage.
    """
    import coremltools as ct

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # coremltools 9.0 warns of its own dependencies; the log has the rest
        traced = torch.jit.trace(module, image, check_trace=False)  # type: ignore[no-untyped-call]
        package = ct.convert(
            traced,
            inputs=[ct.TensorType(name=INPUT_NAME, shape=tuple(image.shape), dtype=np.float32)],
            outputs=[ct.TensorType(name=OUTPUT_NAME, dtype=np.float32)],
            convert_to="mlprogram",
            compute_precision=ct.precision.FLOAT32 if precision == "fp32" else ct.precision.FLOAT16,
            minimum_deployment_target=ct.target.iOS18 if precision == "int4" else ct.target.iOS17,
            skip_model_load=True,
        )
    package.author = "pe_validate"
    package.license = metadata["licence"]
    package.short_description = f"{metadata['model']} vision encoder, {metadata['precision']}"
    package.version = metadata["weights_sha256"][:12]
    package.user_defined_metadata.update(metadata)
    package.save(str(path))
