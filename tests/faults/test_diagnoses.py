"""What is said of a fault is right, or nothing is said: of one fault, of two, and of a stranger's mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import pytest
from diagnoses import NAMES, Said
from planting import FAULTS, MODEL, import_catalogue, planted
from sick_graphs import LEVELS, diagnosed
from sound_and_sick import References

from pe_validate.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.explain.diagnose import diagnose
from pe_validate.explain.suspect import Suspect
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run

import_catalogue()

KINDS = ("onnx/fp32", "pte/int8", "mlpackage/fp16")
FIRST = frozenset(
    {
        *("colours_swapped", "pixels_from_0_to_1", "rope_from_zero", "one_block_repeated", "tanh_gelu"),
        *("normalised_output", "mean_instead_of_pooling", "activations_clipped_at_6", "weights_kept_in_bfloat16"),
        "final_norm_missing",
    }
)
"""Faults that are diagnosed by default, in the first of the kinds."""

DROWNED = {("weights_kept_in_bfloat16", "pte/int8")}
"""What int8 rounds so much further that nothing of it is left to be seen."""

Record = Callable[[str, object], None]


def cases() -> list[object]:
    return [
        pytest.param(name, Case(fault.model, *kind.split("/")), id=f"{name}-{kind}", marks=_full(name, kind))
        for name, fault in FAULTS.items()
        if fault.level in LEVELS and not fault.refused
        for kind in KINDS
        if kind in fault.kinds
    ]


def _full(name: str, kind: str) -> list[pytest.MarkDecorator]:
    return [] if name in FIRST and kind == KINDS[0] else [pytest.mark.full]


def judged(said: Said, record: Record) -> None:
    record("said", json.dumps(asdict(said)))
    assert not said.wrong, said.sentence


@pytest.mark.parametrize(("name", "case"), cases())
def test_a_fault_of_the_graph_is_named_or_nothing_is(
    name: str, case: Case, references: References, record_property: Record
) -> None:
    found = diagnosed((name,), case, references)
    said = Said((name,), str(case), found.names if found else (), found.sentence if found else "passes")
    judged(said, record_property)
    if name in FIRST and name in NAMES and (name, case.kind) not in DROWNED:
        assert said.right, said.sentence


TWO = [
    ("rope_from_zero", "normalised_output"),
    ("colours_swapped", "normalised_output"),
    ("colours_swapped", "one_block_repeated"),
    ("colours_swapped", "projection_transposed"),
    ("imagenet_mean_and_std", "one_block_missing"),
    ("imagenet_mean_and_std", "mean_instead_of_pooling"),
    ("colours_swapped", "rope_from_zero"),
    ("positions_transposed", "one_block_repeated"),
    ("rope_on_halves_instead_of_pairs", "mean_instead_of_pooling"),
    ("attention_scale_missing", "tanh_gelu"),
    ("tanh_gelu", "normalised_output"),
    ("one_block_missing", "projection_transposed"),
    ("channels_last_read_as_channels_first", "one_block_repeated"),
]
"""Two mistakes that one conversion may have, in the order in which an image meets them."""


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(names, id="-and-".join(names), marks=[pytest.mark.full] * bool(number))
        for number, names in enumerate(TWO)
    ],
)
def test_two_faults_that_hold_together_are_named_or_nothing_is(
    names: tuple[str, str], references: References, record_property: Record
) -> None:
    case = Case(MODEL, *KINDS[0].split("/"))
    found = diagnosed(names, case, references)
    said = Said(names, str(case), found.names if found else (), found.sentence if found else "passes")
    judged(said, record_property)


PHOTOGRAPHS = [name for name, fault in FAULTS.items() if fault.level == "preprocessing" and fault.model == MODEL]


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_fault_of_preprocessing_is_named(name: str, references: References, record_property: Record) -> None:
    sound = references.sound(MODEL)
    with planted(name, exporting=False):
        sick = sound.model.feed.samples()
    found = diagnose(suspect(sound, run(EagerRuntime(sound.module, sound.model), sick)))
    said = Said((name,), f"{MODEL}/eager/fp32", found.names, found.sentence)
    judged(said, record_property)
    assert said.right, said.sentence


def suspect(sound: Reference, found: Outputs) -> Suspect:
    """Answers of the model itself, to something."""
    case, trained = Case(MODEL, *KINDS[0].split("/")), sound.trained.features
    return Suspect(case, "loss", sound, found.features, trained, sound.module, "float32", 107, 107)
