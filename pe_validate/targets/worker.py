"""The work of the child process that exports: load the weights, lower the model, write the file, describe it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.tensors import TensorSpec
from pe_validate.inputs.images import Sample
from pe_validate.models.registry import load_model, load_weights, model_named
from pe_validate.system.errors import ExportError
from pe_validate.system.files import digest, size
from pe_validate.targets.base import Example
from pe_validate.targets.recipes import lowered
from pe_validate.targets.registry import recipe, target_of


def build(
    case: Case, weights_spec: str, weights_sha256: str, folder: Path, calibration: tuple[Sample, ...] = ()
) -> Artifact:
    """Write the artifact of ``case`` into ``folder`` and describe it.

    ``calibration`` holds the images for precisions that are calibrated.

    Raises:
        ExportError: the weights are no longer those that were asked for.
        Exception: whatever an exporter raises.
    """
    import torch  # not at the top: the parent imports this module only to name the function

    weights = load_weights(case.model, weights_spec)
    if weights.sha256 != weights_sha256:
        raise ExportError(f"The weights behind '{weights_spec}' changed while {case} was being exported.")
    target, model = target_of(case), model_named(case.model)
    module = lowered(load_model(case.model, weights), case, calibration)
    floats = recipe(case).scheme.dtype
    inputs, outputs = ([spec.as_floats(floats) for spec in specs] for specs in (model.inputs, model.outputs))
    shown = model.example_shapes()
    zeros = {spec.name: torch.zeros(shown[spec.name], dtype=getattr(torch, spec.dtype)) for spec in inputs}
    with torch.no_grad():
        answer = module(*zeros.values())
    shapes = [tuple(each.shape) for each in (answer if isinstance(answer, tuple) else (answer,))]
    metadata = {
        "model": case.model,
        "precision": case.precision,
        "weights_sha256": weights.sha256,
        "licence": model.licence,
    }
    path = folder / target.file_name(case)
    example = Example(zeros, tuple(spec.name for spec in outputs), model.dynamic_shapes())
    target.write(module, example, path, metadata, case.precision)
    return Artifact(
        case=case,
        path=path,
        sha256=digest(path),
        size=size(path),
        inputs=tuple(map(target.declared, inputs)),
        outputs=tuple(target.declared(_shaped(spec, shape)) for spec, shape in zip(outputs, shapes, strict=True)),
        weights=weights.spec,
        weights_sha256=weights.sha256,
        tools={},
        seconds=0.0,
        delegation=target.delegation(path),
    )


def _shaped(spec: TensorSpec, shape: tuple[int, ...]) -> TensorSpec:
    """Return an output with the shape of an answer, but for axes of any length."""
    if len(spec.shape) != len(shape):
        return replace(spec, shape=shape)
    return replace(spec, shape=tuple(-1 if n < 0 else found for n, found in zip(spec.shape, shape, strict=True)))
