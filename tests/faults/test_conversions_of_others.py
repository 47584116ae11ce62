"""What somebody else converted from the tower, without this project's rewrite, is known exactly; so are its faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
import torch
from faults_in_weights import block
from sound_and_sick import References
from torch import Tensor, nn
from torch.nn import functional as F
from towers import tower_of

from pe_validate.case import Case
from pe_validate.data.structure import Structure
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.identity import IDENTITY, UNKNOWN_SOURCE
from pe_validate.models.perception_encoder.vision import tower as towers
from pe_validate.models.perception_encoder.vision.config import ModelConfig
from pe_validate.models.perception_encoder.vision.deploy import deploy
from pe_validate.models.perception_encoder.vision.tower import VisionTower, rope_angles
from pe_validate.reference.reference import Reference
from pe_validate.targets.base import Example
from pe_validate.targets.coreml.routes import ROUTES, Route, convert
from pe_validate.targets.pte_coreml.write import write_pte_coreml
from pe_validate.walk.check import Claim, check

MODEL = "PE-Nano"
CASE = Case(MODEL, "mlpackage", "fp16")

pytestmark = pytest.mark.filterwarnings("ignore")  # coremltools 9.0 warns of its own dependencies


def converted(module: nn.Module, model: Reference, folder: Path, route: Route = "trace", ios: int = 17) -> Path:
    path = folder / "stranger.mlpackage"
    convert(module, Example.of(torch.from_numpy(model.inputs[0].image)), route=route, ios=ios).save(str(path))
    return path


def identity(path: Path, model: Reference, case: Case = CASE) -> Verdict:
    """What this gate says; nothing else that ``pe-validate check`` asks is waited for."""
    with Evidence(Subject(case, model.weights.spec, made_here=False), path, model) as evidence:
        found = IDENTITY.judge(evidence)
    assert found
    return found


@pytest.mark.parametrize(
    ("route", "ios", "weights"),
    [(route, ios, "seed:7") for route in ROUTES for ios in (17, 18)] + [("trace", 17, "trained")],
)
def test_the_tower_as_it_is_agrees_as_closely_as_float32_sums_do(
    references: References, tmp_path: Path, route: Route, ios: int, weights: str
) -> None:
    model = references.sound(MODEL, weights)
    verdict = identity(converted(model.module, model, tmp_path, route, ios), model)
    assert verdict.status == "pass", verdict.sentence
    assert f"the tower, attention {'in parts' if ios == 17 else 'whole'}" in verdict.reference
    assert verdict.worst is not None
    assert verdict.worst.snr_db > 104


def test_the_tower_inside_an_executorch_program_is_known_too(references: References, tmp_path: Path) -> None:
    model, path = references.sound(MODEL), tmp_path / "stranger.pte"
    write_pte_coreml(model.module, Example.of(torch.from_numpy(model.inputs[0].image)), path, {}, "fp16")
    verdict = identity(path, model, Case(MODEL, "pte-coreml", "fp16"))
    assert verdict.status == "pass", verdict.sentence
    assert "the tower, attention in parts" in verdict.reference


@contextmanager
def tanh_gelu(tower: VisionTower) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        exact = F.gelu
        patch.setattr(F, "gelu", lambda x: exact(x, approximate="tanh"))
        yield


@contextmanager
def another_epsilon(tower: VisionTower) -> Iterator[None]:
    for module in tower.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6
    yield


@contextmanager
def rotation_from_zero(tower: VisionTower) -> Iterator[None]:
    def angles(config: ModelConfig, grid: tuple[int, int]) -> Tensor:
        found = rope_angles(config, grid)
        return torch.cat([found[:1], found[1:] - found[1]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(towers, "rope_angles", angles)
        yield


@contextmanager
def bfloat16_matrix(tower: VisionTower) -> Iterator[None]:
    weight = block(tower, 2).mlp.c_fc.weight
    weight.copy_(weight.bfloat16())
    yield


@contextmanager
def a_bias_left_out(tower: VisionTower) -> Iterator[None]:
    block(tower, 1).attn.out_proj.bias.zero_()
    yield


@pytest.mark.parametrize(
    "fault",
    [tanh_gelu, another_epsilon, rotation_from_zero, bfloat16_matrix, a_bias_left_out],
    ids=lambda f: f.__name__,
)
def test_a_fault_that_costs_less_than_float16_is_caught(
    references: References, tmp_path: Path, fault: Callable[[VisionTower], AbstractContextManager[None]]
) -> None:
    model = references.sound(MODEL)
    sick = deepcopy(tower_of(model))
    with torch.no_grad(), fault(sick):
        path = converted(sick, model, tmp_path)
    result = check(Claim(path, CASE, Structure()), model)
    verdict = result.verdict("identity")
    assert verdict
    assert verdict.status == "fail", verdict.sentence
    assert "constants rounded to float16" in verdict.reference
    assert verdict.worst is not None
    if verdict.worst.snr_db > 48:  # no place is told where places differ by more anyway
        assert result.explanation is None
        assert "hides the place" in str(result.unexplained)


def test_a_form_that_nobody_knows_is_held_to_the_model_and_says_so(references: References, tmp_path: Path) -> None:
    model = references.sound(MODEL)
    verdict = identity(converted(deploy(tower_of(model), style="linear"), model, tmp_path), model)
    assert verdict.status == "pass", verdict.sentence
    assert verdict.sentence.endswith(UNKNOWN_SOURCE)
    assert "rounded" not in verdict.reference


def test_rounding_constants_changes_nothing_that_is_rounded_already(references: References) -> None:
    """The mode itself: with float16 weights and no table to round, it is the module."""
    from pe_validate.targets.coreml.rounding import Rounded

    first = nn.Linear(8, 8)
    layer = nn.Sequential(first, nn.GELU(), nn.Linear(8, 4)).requires_grad_(False)
    for parameter in layer.parameters():
        parameter.copy_(parameter.half())
    x = torch.rand(2, 8)
    np.testing.assert_array_equal(Rounded(layer, apart=True)(x).numpy(), layer(x).numpy())
    first.weight += 1e-5
    assert not np.array_equal(Rounded(layer, apart=True)(x).numpy(), layer(x).numpy())
