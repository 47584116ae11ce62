"""Faults of a graph itself, without a file: planted in a copy of what is lowered, and held to what is lowered."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import torch
from torch import nn

from pe_validate.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.verdict import Verdict
from pe_validate.gates.numbers import judge_numbers
from pe_validate.gates.registry import tolerance
from pe_validate.models.registry import load_weights, model_named
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run


@cache
def shown(model: str, *names: str) -> Reference:
    """``model``, asked about the inputs of these names alone."""
    value, weights = model_named(model), load_weights(model)
    inputs = tuple(sample for sample in value.feed.samples() if sample.name in names)
    assert len(inputs) == len(names)
    return Reference(value, weights, value.load(weights), inputs)


def fidelity(model: Reference, case: Case, plant: Callable[[Any], object]) -> Verdict:
    """What the gate says of the case's graph after ``plant`` was there."""
    sick = deepcopy(model.graph(case).module)
    with torch.no_grad():
        plant(sick)
    return judged(case, "fidelity", model.lowered(case), answer(model, sick))


def judged(case: Case, gate: str, expected: Outputs, found: Outputs) -> Verdict:
    """What a gate says of answers."""
    return judge_numbers(case, gate, expected, found, tolerance(case, gate))


def answer(model: Reference, graph: nn.Module) -> Outputs:
    """What ``graph`` answers to the inputs."""
    return run(EagerRuntime(graph, model.model), model.inputs)
