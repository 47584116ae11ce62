"""Write a Core ML ``.mlpackage``: an ML Program for iOS 17, or for iOS 18 if weights are quantised in blocks.

Conversion needs no Mac; prediction does.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from pe_validate.targets.coreml.routes import convert


def write_mlpackage(module: nn.Module, image: Tensor, path: Path, metadata: dict[str, str], precision: str) -> None:
    """Convert ``module`` for inputs of ``image``'s shape, computing in fp32 if that is the precision, else in fp16.

    Input and output are float32 in every precision.

    Raises:
        Exception: whatever coremltools raises; the caller names the stage.
    """
    package = convert(module, image, half=precision != "fp32", ios=18 if precision == "int4" else 17)
    package.author = "pe_validate"
    package.license = metadata["licence"]
    package.short_description = f"{metadata['model']} vision encoder, {metadata['precision']}"
    package.version = metadata["weights_sha256"][:12]
    package.user_defined_metadata.update(metadata)
    package.save(str(path))
