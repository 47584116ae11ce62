"""How a fault is planted at the level where it really happens, and exported by the real exporters."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

import pytest
import torch
from torch import nn

from pe_validate.case import MATRIX, Case
from pe_validate.data.artifact import Artifact
from pe_validate.inputs.images import Sample
from pe_validate.models.perception_encoder.text.config import NANO_TEXT
from pe_validate.models.registry import load_model
from pe_validate.models.weights import Weights
from pe_validate.system.files import digest, size
from pe_validate.targets import worker
from pe_validate.targets.coreml import write as to_mlpackage
from pe_validate.targets.coreml.routes import convert
from pe_validate.targets.recipes import lowered
from pe_validate.targets.registry import target_of
from pe_validate.targets.xnnpack import write as to_pte

MODEL: Final = "PE-Nano"
SPATIAL: Final = "PE-Spatial-T16-512"
TEXT: Final = NANO_TEXT.name

Level = Literal["preprocessing", "weights", "rewrite", "graph", "exporter", "file"]
"""Where a fault is planted.

`preprocessing`: what makes a tensor of a photograph, or ids of a text. `weights`: the checkpoint as it is loaded for
the export. `rewrite`: the code of a ``deploy.py``, which the references of a validation use, too. `graph`: the module
that is handed to the exporter. `exporter`: its options. `file`: the finished artifact.
"""

Kinds = tuple[str, ...]
EVERY: Final[Kinds] = (
    *("onnx/fp32", "pte/fp32", "pte/fp16", "pte/int8", "mlpackage/fp16", "pte-coreml/fp16"),
    *("coreai/fp32", "coreai/fp16"),
)
"""What a fault can be planted in, unless it says otherwise."""

EAGER: Final[Kinds] = ("eager/fp32",)
"""The model itself, whose answers are held to the stored ones: every artifact is fed by the same preprocessing."""

SPATIAL_KINDS: Final[Kinds] = ("onnx/fp32", "pte/fp32", "mlpackage/fp16", "coreai/fp16")


@dataclass(frozen=True)
class Fault:
    """One way in which a conversion goes wrong.

    ``place`` is where it sits, in the words of ``pe-validate explain``; ``None`` where it sits in many places or in
    none. ``kinds`` are the targets and precisions that it can be planted in. ``refused`` says that its artifact does
    not run at all.
    """

    plant: Callable[..., object]
    level: Level
    place: str | None
    kinds: Kinds
    model: str
    refused: bool = False

    @property
    def name(self) -> str:
        return self.plant.__name__

    @cached_property
    def story(self) -> str:
        """What happened, in one sentence: its docstring."""
        assert self.plant.__doc__, self.name
        return self.plant.__doc__.strip().rstrip(".")

    @property
    def cases(self) -> list[Case]:
        cases = [Case(self.model, *kind.split("/")) for kind in self.kinds]
        assert self.kinds == EAGER or set(cases) <= set(MATRIX), self.name
        return cases


SHARED: Final = frozenset({"preprocessing", "rewrite"})
"""Levels whose faults are in what a validation compares with, too."""

FAULTS: Final[dict[str, Fault]] = {}


def fault(
    level: Level, place: str | None = None, *, kinds: Kinds = EVERY, model: str = MODEL, refused: bool = False
) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Enter a function in the catalogue of faults; what it is given depends on its level, see :func:`planted`."""

    def enter(plant: Callable[..., object]) -> Callable[..., object]:
        found = Fault(plant, level, place, kinds, model, refused)
        assert found.name not in FAULTS, found.name
        FAULTS[found.name] = found
        return plant

    return enter


@contextmanager
def planted(name: str, *, exporting: bool) -> Iterator[None]:
    """The fault's world: of the exporter, or of the validation, which shares the rewrite alone."""
    sick = FAULTS[name]
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        if sick.level in SHARED or (sick.level == "exporter" and exporting):
            sick.plant(patch)
        if sick.level == "weights" and exporting:
            patch.setattr(worker, "load_model", _with_sick_weights(sick))
        if sick.level == "graph" and exporting:
            patch.setattr(worker, "lowered", _with_sick_graph(sick))
        yield


def _with_sick_weights(sick: Fault) -> Callable[..., nn.Module]:
    def load(name: str, weights: Weights) -> nn.Module:
        tower = load_model(name, weights)
        sick.plant(tower)
        return tower

    return load


def _with_sick_graph(sick: Fault) -> Callable[..., nn.Module]:
    def lower(tower: nn.Module, case: Case, calibration: Sequence[Sample]) -> nn.Module:
        module = sick.plant(lowered(tower, case, calibration))
        assert isinstance(module, nn.Module)
        return module

    return lower


def export_with(
    name: str | None,
    case: Case,
    weights: str,
    sha256: str,
    folder: Path,
    calibration: tuple[Sample, ...],
    option: str | None,
    kept: Path,
) -> Artifact:
    """Export ``case`` with a fault, or without and with an option of the tools; to be called in a child.

    ``kept`` is a folder of its own for files that more than one fault is planted in.
    """
    import_catalogue()
    if name is None:
        with pytest.MonkeyPatch.context() as patch:
            if option == "by_partitions":
                patch.setattr(to_pte, "lower_whole", to_pte.lower_by_partitions)
            if option == "exported_program":
                patch.setattr(to_mlpackage, "convert", partial(convert, route="export"))
            return worker.build(case, weights, sha256, folder, calibration)
    if FAULTS[name].level == "file":
        if case not in _finished:
            _finished[case] = worker.build(case, weights, sha256, kept, calibration)
        return _spoilt(FAULTS[name], _finished[case], folder)
    with planted(name, exporting=True):
        return worker.build(case, weights, sha256, folder, calibration)


_finished: Final[dict[Case, Artifact]] = {}
"""Sound artifacts, of DEFAULT_WEIGHTS, that this process has exported; what becomes of a copy does not touch them."""


def _spoilt(sick: Fault, sound: Artifact, folder: Path) -> Artifact:
    path = folder / sound.path.name
    if sound.path.is_dir():
        shutil.copytree(sound.path, path)
    else:
        shutil.copyfile(sound.path, path)
    sick.plant(path)
    delegation = target_of(sound.case).delegation(path)
    return replace(sound, path=path, sha256=digest(path), size=size(path), delegation=delegation)


def import_catalogue() -> None:
    """Fill FAULTS."""
    for level in ("preprocessing", "weights", "rewrites", "graphs", "exporters", "files", "assets", "text"):
        import_module(f"faults_in_{level}")
