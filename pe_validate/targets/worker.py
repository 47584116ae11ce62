"""What the exporting child process does: load the weights, lower the model, write the file, describe it."""

from __future__ import annotations

from pathlib import Path

import torch

from pe_validate.case import Case
from pe_validate.data.artifact import INPUT_NAME, OUTPUT_NAME, Artifact, TensorSpec, digest, size
from pe_validate.inputs.images import Sample
from pe_validate.models.perception_encoder.vision.config import LICENCE
from pe_validate.models.weights import load_model, load_weights
from pe_validate.system.errors import ExportError
from pe_validate.targets.recipes import lowered, recipe


def build(
    case: Case, weights_spec: str, weights_sha256: str, folder: Path, calibration: tuple[Sample, ...] = ()
) -> Artifact:
    """Write the artifact of ``case`` into ``folder``; ``calibration`` is for precisions that need it.

    Raises:
        ExportError: the weights are no longer those that were asked for.
        Exception: whatever an exporter raises.
    """
    weights = load_weights(case.model, weights_spec)
    if weights.sha256 != weights_sha256:
        raise ExportError(f"The weights behind '{weights_spec}' changed while {case} was being exported.")
    module = lowered(load_model(case.model, weights), case, calibration)
    dtype = recipe(case).dtype
    image = torch.zeros(case.config.input_shape, dtype=getattr(torch, dtype))
    with torch.no_grad():
        features = module(image)
    metadata = {
        "model": case.model,
        "precision": case.precision,
        "weights_sha256": weights.sha256,
        "licence": LICENCE,
    }
    path = folder / case.file_name
    delegated = None
    match case.target:
        case "onnx":
            from pe_validate.targets.onnx.write import write_onnx

            write_onnx(module, image, path, metadata)
        case "pte":
            from pe_validate.targets.xnnpack.delegation import delegation
            from pe_validate.targets.xnnpack.write import write_pte

            write_pte(module, image, path, metadata)
            delegated = delegation(path)
        case "mlpackage":
            from pe_validate.targets.coreml.write import write_mlpackage

            write_mlpackage(module, image, path, metadata, case.precision)
        case "pte-coreml":
            from pe_validate.targets.pte_coreml.write import write_pte_coreml
            from pe_validate.targets.xnnpack.delegation import delegation

            write_pte_coreml(module, image, path, metadata, case.precision)
            delegated = delegation(path)
    return Artifact(
        case=case,
        path=path,
        sha256=digest(path),
        size=size(path),
        inputs=(TensorSpec(INPUT_NAME, tuple(image.shape), dtype),),
        outputs=(TensorSpec(OUTPUT_NAME, tuple(features.shape), dtype),),
        weights=weights.spec,
        weights_sha256=weights.sha256,
        tools={},
        seconds=0.0,
        delegation=delegated,
    )
