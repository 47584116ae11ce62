"""Build the graph that is lowered, by a case's recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.inputs.images import Sample
from pe_validate.models.base import Model
from pe_validate.models.registry import model_named
from pe_validate.system.errors import ExportError
from pe_validate.targets.registry import recipe

if TYPE_CHECKING:
    from torch import nn

SHARED_MODULES: Final = (
    "pe_validate.data.recipe",
    "pe_validate.targets.recipes",
    "pe_validate.targets.schemes",
    "pe_validate.targets.worker",
)
"""Modules that decide what is lowered and written for every target."""

CALIBRATION_CROPS: Final = 16
CALIBRATION_SEED: Final = 1


def calibration_images(case: Case, folder: Path | None = None) -> tuple[Sample, ...]:
    """Return the photograph crops that ``case`` is calibrated on; none if its recipe is not calibrated.

    Raises:
        LoadError: the folder holds no photographs.
    """
    if not recipe(case).scheme.calibrated:
        return ()
    return model_named(case.model).feed.crops(CALIBRATION_CROPS, CALIBRATION_SEED, folder)


def lowered(module: nn.Module, case: Case, calibration: Sequence[Sample] = (), model: Model | None = None) -> nn.Module:
    """Return the graph that the exporter is given for ``case``, and against which fidelity is measured.

    ``module`` is the case's model, loaded. ``calibration`` is needed if the recipe is calibrated. ``model`` is the one
    that knows how to deploy ``module``, by default the case's.

    Raises:
        ExportError: a weight that is to be quantised is not finite, or there is nothing to calibrate on.
    """
    chosen = recipe(case)
    if chosen.scheme.finite:
        _require_finite(module, case)
    if chosen.scheme.calibrated and not calibration:
        raise ExportError(f"{case} scales its activations by calibration, and there are no images to do it on.")
    deployable = (model or model_named(case.model)).deployable(module, chosen.form)
    graph: nn.Module = chosen.scheme.apply(deployable, [sample.values for sample in calibration])
    return graph


def _require_finite(module: nn.Module, case: Case) -> None:
    """Refuse weights that are not finite: quantisation needs their range, and would hide them from the gates.

    Raises:
        ExportError: a weight is not finite.
    """
    for name, tensor in module.state_dict().items():
        if not tensor.isfinite().all():
            raise ExportError(f"{case} cannot be quantised: '{name}' holds a value that is not finite.")
