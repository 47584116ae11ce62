"""Quantised programs go wrong in ways of their own: each is planted in the quantised graph, and is caught.

Rounding is chaotic: two correct computations of one int8 graph differ by a float32 rounding, some activations fall on
the other side of a half step, and after twelve blocks they agree to about 37 dB and not to 120. So a fault of less
than 30 dB hides in the fidelity of a quantised program; what is smaller is caught in float32 (test_kill_matrix.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from in_graphs import fidelity, judged, shown

from pe_validate.case import Case
from pe_validate.models.registry import load_model
from pe_validate.reference.reference import Reference, reference
from pe_validate.targets.recipes import lowered

MODEL = "PE-Core-T16-384"
case = partial(Case, MODEL, "pte")

Fault = Callable[..., None]
"""Of a graph, in the precision that is named."""

FAULTS: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    FAULTS[function.__name__] = function
    return function


@fault
def scales_of_one_layer_a_tenth_too_large(graph: Any, precision: str) -> None:
    graph.encoder.block5.expand.weight.scale.mul_(1.1)


@fault
def one_scale_for_all_channels(graph: Any, precision: str) -> None:
    scale = graph.encoder.block5.expand.weight.scale
    scale.copy_(scale.mean().expand_as(scale))


@fault
def one_layer_of_other_weights(graph: Any, precision: str) -> None:
    other: Any = lowered(load_model(MODEL, "seed:8"), case(precision))
    graph.encoder.block3.contract.weight.qdata.copy_(other.encoder.block3.contract.weight.qdata)


@fault
def signs_of_one_layer_lost(graph: Any, precision: str) -> None:
    graph.encoder.block5.attention.value.weight.qdata.abs_()


@fault
def two_halves_of_a_layer_exchanged(graph: Any, precision: str) -> None:
    weight = graph.encoder.block2.attention.even.weight.qdata
    weight.copy_(weight.roll(len(weight) // 2, dims=0))


@pytest.fixture(scope="module")
def model() -> Reference:
    return shown(MODEL, "china", "hot-pixel")


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_fidelity_catches_it(precision: str, name: str, model: Reference) -> None:
    verdict = fidelity(model, case(precision), partial(FAULTS[name], precision=precision))
    assert verdict.status == "fail", verdict.sentence


def test_loss_catches_four_bits_in_place_of_eight(model: Reference) -> None:
    verdict = judged(case("int8"), "loss", model.lowered(case("fp32")), model.lowered(case("int4")))
    assert verdict.status == "fail", verdict.sentence


def test_loss_catches_scales_for_whole_tensors_under_outliers() -> None:
    """What a static program does to massive activations: ``pe-validate run`` shows the same of the real one."""
    model, static = reference("PE-Nano", "seed:7+outliers"), Case("PE-Nano", "pte", "int8-static")
    verdict = judged(static, "loss", model.trained, model.lowered(static))
    assert verdict.status == "fail", verdict.sentence
