"""Write a Core ML ``.mlpackage``: an ML Program for iOS 17, or for iOS 18 if weights are quantised in blocks.

Conversion needs no Mac; prediction does.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from pe_validate.targets.base import Example
from pe_validate.targets.coreml.routes import convert


def write_mlpackage(module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
    """Convert ``module`` for inputs like those of ``example``, computing in fp32 if asked to, else in fp16.

    Input and output are float32 in every precision.

    Raises:
        Exception: whatever coremltools raises; the caller names the stage.
    """
    package = convert(module, example, half=precision != "fp32", ios=18 if precision == "int4" else 17)
    package.author = "pe_validate"
    package.license = metadata["licence"]
    package.short_description = f"{metadata['model']} vision encoder, {metadata['precision']}"
    package.version = metadata["weights_sha256"][:12]
    package.user_defined_metadata.update(metadata)
    package.save(str(path))
