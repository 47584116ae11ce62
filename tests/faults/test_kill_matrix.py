"""Every fault that a conversion is known to have is caught by the gates of ``pe-validate run``, and is found."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet
from diagnoses import Said
from kill_matrix import WANTED, Cell, margin, words
from places import GOLDENS, ROOT
from planting import EAGER, FAULTS, MODEL, SHARED, TEXT, Fault, import_catalogue, planted
from sound_and_sick import Exporter, References

from pe_validate.case import Case
from pe_validate.data.structure import Structure
from pe_validate.data.verdict import Verdict
from pe_validate.goldens import golden
from pe_validate.goldens.inputs import PIXEL_TOLERANCE
from pe_validate.models.perception_encoder.text.tokenizer import check_tokenizer
from pe_validate.system.errors import GoldenError, RunError, SetupError
from pe_validate.walk.check import Claim, check
from pe_validate.walk.walk import evidence_of, examine

import_catalogue()


def cells(wanted: Callable[[Fault], bool]) -> list[ParameterSet]:
    return [
        # The first kind of each fault is tried by default, and every kind by `tox -e faults`.
        pytest.param(name, case, id=f"{name}-{case.target}-{case.precision}", marks=[pytest.mark.full] * bool(number))
        for name, fault in FAULTS.items()
        for number, case in enumerate(fault.cases)
        if wanted(fault)
    ]


@pytest.mark.parametrize(("name", "case"), cells(lambda fault: fault.kinds != EAGER))
def test_the_fault_is_caught_and_its_place_named(
    name: str,
    case: Case,
    exporter: Exporter,
    references: References,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    fault = FAULTS[name]
    sound = references.sound(case.model)
    artifact = exporter(name, case, sound, tmp_path)
    shared = fault.level in SHARED
    model = references.sick(case.model) if shared else sound
    verdicts: tuple[Verdict, ...] = ()
    error, found, said = "", None, Said((name,), str(case), (), "")
    with planted(name, exporting=False) if shared else nullcontext():
        try:
            result = examine(evidence_of(artifact, model))
            verdicts = result.verdicts
            found = result.explanation.place if result.explanation and fault.place else None
            if result.diagnosis:
                said = replace(said, names=result.diagnosis.names, sentence=result.diagnosis.sentence)
        except RunError as raised:
            if not fault.refused:
                raise
            error = re.sub(r"'/[^']*/", "'", str(raised)).partition(":")[0]
    killed = {verdict.gate: margin(verdict) for verdict in verdicts if verdict.status == "fail"}
    expected = None if error else fault.place
    record_property("cell", json.dumps(asdict(Cell(name, str(case), killed, error, expected, found))))
    if said.sentence:
        record_property("said", json.dumps(asdict(said)))
    assert killed or error, "\n".join([fault.story, *(verdict.sentence for verdict in verdicts)])


@pytest.mark.parametrize(("name", "case"), cells(lambda fault: fault.kinds == EAGER and fault.model == MODEL))
def test_a_fault_of_preprocessing_is_caught_by_the_goldens(
    name: str, case: Case, record_property: Callable[[str, object], None]
) -> None:
    """It feeds the model and every artifact alike: only what was stored before it can tell."""
    with planted(name, exporting=False):
        try:
            (verdict,) = golden.check(GOLDENS, [case.model])
            killed = {"golden": margin(verdict)} if verdict.status == "fail" else {}
        except GoldenError as error:
            (levels,) = re.findall(r"differs by (\d+) of 255", str(error))
            killed = {"golden": int(levels) / PIXEL_TOLERANCE}
    record_property("cell", json.dumps(asdict(Cell(name, str(case), killed))))
    assert killed, FAULTS[name].story


@pytest.mark.parametrize(("name", "case"), cells(lambda fault: fault.kinds == EAGER and fault.model == TEXT))
def test_a_fault_of_the_tokenizer_is_caught_by_the_lines_of_the_reference(
    name: str, case: Case, record_property: Callable[[str, object], None]
) -> None:
    """It feeds the tower and every artifact alike, and is noticed before any text is tokenised."""
    check_tokenizer()
    with planted(name, exporting=False), pytest.raises(SetupError, match=r"^\d+ of 19 lines get other"):
        check_tokenizer()
    record_property("cell", json.dumps(asdict(Cell(name, str(case), {"tokens": 0}))))


def test_the_committed_matrix_is_of_this_catalogue() -> None:
    page = (ROOT / "docs" / "kill-matrix.md").read_text(encoding="utf-8")
    planted_there = set(re.findall(r"^\| (.+?) \| (PE-.+?) \|", page, re.MULTILINE))
    assert planted_there == {(words(name), str(case)) for name, fault in FAULTS.items() for case in fault.cases}
    assert "**nothing**" not in page
    caught, placed = (float(re.findall(pattern, page)[0]) for pattern in (r"(\d+) were caught", r"\(([\d.]+)%\)"))
    assert caught == len(planted_there)
    assert placed >= 100 * WANTED


def test_there_are_at_least_forty_faults_and_each_says_what_happened() -> None:
    assert len(FAULTS) >= 40
    assert all(fault.story and "\n" not in fault.story for fault in FAULTS.values())


def test_text_towers_have_at_least_fifteen() -> None:
    assert sum(fault.model == TEXT for fault in FAULTS.values()) >= 15


@pytest.mark.parametrize("target", ["onnx", "pte", "mlpackage", "pte-coreml", "coreai"])
def test_every_target_has_faults_of_its_own(target: str) -> None:
    assert sum(any(case.target == target for case in fault.cases) for fault in FAULTS.values()) >= 20


SMALL = {"tanh_gelu", "layer_norm_epsilon_1e_6"}
"""Faults that cost less than float16 rounding does."""

STRANGERS = [
    pytest.param(name, marks=[pytest.mark.full] * (name not in SMALL | {"sigmoid_gelu", "rope_axes_swapped"}))
    for name, fault in FAULTS.items()
    if fault.level in ("weights", "rewrite") and "mlpackage/fp16" in fault.kinds and fault.model == MODEL
]


@pytest.mark.parametrize("name", STRANGERS)
def test_a_strangers_half_precision_package_hides_none_of_them(
    name: str, exporter: Exporter, references: References, tmp_path: Path
) -> None:
    """``pe-validate check`` is not told of what the file was made, and knows it by the matrices that it stores."""
    case, model = Case(MODEL, "mlpackage", "fp16"), references.sound(MODEL)
    claim = Claim(exporter(name, case, model, tmp_path).path, case, Structure())
    verdicts = check(claim, model).verdicts
    assert any(verdict.status == "fail" for verdict in verdicts), verdicts
