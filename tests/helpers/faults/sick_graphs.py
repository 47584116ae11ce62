"""Diagnoses of faults in the graph that is lowered: its answers stand for those of an artifact, and none is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from planting import FAULTS, SHARED, planted
from sound_and_sick import References
from torch import nn

from pe_validate.case import Case
from pe_validate.data.diagnosis import Diagnosis
from pe_validate.data.outputs import Outputs
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.explain.diagnose import diagnosis_of
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.registry import BY_NAME
from pe_validate.gates.weights import judge_weights
from pe_validate.models.registry import load_model
from pe_validate.reference.reference import Reference
from pe_validate.targets import worker as exporting
from pe_validate.targets.base import Purpose, Target
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.recipes import calibration_images
from pe_validate.targets.registry import recipe

LEVELS = ("weights", "rewrite", "graph")
"""Levels whose faults are in the graph."""


class Answered(Evidence):
    """Evidence of which the answers are known already."""

    def __init__(self, subject: Subject, reference: Reference, graph: nn.Module, answers: Outputs) -> None:
        super().__init__(subject, Path(), reference)
        self._graph, self._given = graph, answers

    def answers(self, purpose: Purpose) -> Outputs:
        return self._given

    def tensors(self, names: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
        """What the file would store, where files of the target are read."""
        if type(self.target).tensors is Target.tensors:
            return {}
        stored = self._graph.state_dict()
        return {name: stored[name].numpy() for name in names if name in stored}

    @property
    def weights(self) -> Verdict | None:
        """The verdict on the digests that a program would have."""
        if not self.target.keeps_constants:
            return None
        stored = tuple(self.target.constants(self._graph).values())
        return judge_weights(self.case, Delegation(1, (), constants=stored), self.reference.constants(self.case))


def sick_graph(names: tuple[str, ...], case: Case) -> nn.Module:
    """What an exporter is handed if these faults are planted."""
    worker: Any = exporting  # which faults patch
    with ExitStack() as faults, torch.no_grad():
        tower = load_model(case.model)
        for name in names:
            if FAULTS[name].level == "weights":
                FAULTS[name].plant(tower)
            else:
                faults.enter_context(planted(name, exporting=True))
        graph: nn.Module = worker.lowered(tower, case, calibration_images(case))
        return graph


def diagnosed(names: tuple[str, ...], case: Case, references: References) -> Diagnosis | None:
    """What is said of the answers of a graph with these faults, given in the order in which an image meets them."""
    sound = references.sound(case.model)
    graph = EagerRuntime(sick_graph(names, case), sound.model, recipe(case).scheme.dtype)
    shared = [name for name in names if FAULTS[name].level in SHARED]
    model = references.sick(case.model) if shared else sound
    with ExitStack() as faults, torch.no_grad():
        for name in shared:
            faults.enter_context(planted(name, exporting=False))
        evidence = Answered(Subject(case, model.weights.spec), model, graph.module, _answers(graph, sound))
        verdicts = [_verdict(BY_NAME[name], evidence) for name in ("rewrite", "gelu", "fidelity", "loss")]
        verdicts.append(evidence.weights)
        return diagnosis_of(evidence, [verdict for verdict in verdicts if verdict], FAULTS[(shared or names)[0]].place)


def _answers(graph: EagerRuntime, sound: Reference) -> Outputs:
    """Return the answers; the shape that a model declares does not matter here."""
    with torch.no_grad():
        dtype = graph.inputs[0].dtype
        given = {each.name: torch.from_numpy(each.image.astype(dtype)) for each in sound.inputs}
        return Outputs("sick", {name: graph.module(image).float().numpy() for name, image in given.items()})


def _verdict(gate: object, evidence: Evidence) -> Verdict | None:
    assert isinstance(gate, NumbersGate)
    return gate.judge(evidence) if gate.required(evidence.subject) else None
