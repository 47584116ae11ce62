"""Correct conversions pass: three models, every precision, several weights, each way to lower and to convert."""

from __future__ import annotations

from pathlib import Path

import pytest
from sound_and_sick import Exporter, References

from pe_validate.case import MATRIX, Case
from pe_validate.walk.walk import evidence_of, examine

MODEL = "PE-Nano"
WEIGHTS = ["seed:1", "seed:2", "trained"]
CASES = [case for case in MATRIX if case.model == MODEL]
ADDED = [case for case in CASES if case.target in ("pt2", "coreai")]
"""These come last: which of the others are tried by default stays as it was."""

SOUND: list[tuple[Case, str, str | None]] = [
    (case, weights, None) for case in CASES if case not in ADDED for weights in WEIGHTS
]
SOUND += [(Case(MODEL, "pte", precision), "seed:1", "by_partitions") for precision in ("fp32", "fp16", "int8", "int4")]
SOUND += [(Case(MODEL, "mlpackage", precision), "seed:1", "exported_program") for precision in ("fp16", "fp32")]
SOUND += [(Case(MODEL, target, "fp32"), "seed:1", "four_threads") for target in ("onnx", "pte")]
SOUND += [
    (Case(model, *kind.split("/")), "seed:1", None)
    for model in ("PE-Core-T16-384", "PE-Spatial-T16-512")
    for kind in ("onnx/fp32", "pte/fp32", "pte/fp16", "pte/int8", "mlpackage/fp16", "mlpackage/int8")
]
"""Of the larger models other weights than those that the limits were measured with; those are in tests/conversion."""
SOUND += [(case, weights, None) for case in ADDED for weights in WEIGHTS]


def test_there_are_at_least_fifty() -> None:
    assert len(SOUND) >= 50


@pytest.mark.parametrize(
    ("case", "weights", "option"),
    [
        pytest.param(
            *sound,
            id="-".join(map(str, filter(None, sound))),
            marks=[pytest.mark.full] * (number % 10 > 0 or sound[0].model != MODEL),
        )
        for number, sound in enumerate(SOUND)
    ],
)
def test_a_correct_conversion_passes_every_gate(
    case: Case,
    weights: str,
    option: str | None,
    exporter: Exporter,
    references: References,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if option == "four_threads":
        monkeypatch.setenv("OMP_NUM_THREADS", "4")  # of the child that runs it
    model = references.sound(case.model, weights)
    artifact = exporter(None, case, model, tmp_path, weights, option)
    result = examine(evidence_of(artifact, model))
    alarms = [verdict.sentence for verdict in result.verdicts if verdict.status != "pass"]
    assert not alarms
    assert result.status == "pass", result.missing
