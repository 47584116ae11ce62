"""The walk's own decisions: how an artifact is read for a gate, and that every outcome is a verdict or one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sample_reports as sample
from tiny_artifacts import CONFIG, tiny_module

from pe_validate.case import MATRIX, Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.gates.evidence import prove, reading_for
from pe_validate.gates.limits import Gate
from pe_validate.inputs.images import Sample
from pe_validate.targets.coreml import best_reading
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run
from pe_validate.walk.walk import with_both_backends

ONNX = Case("PE-Core-T16-384", "onnx", "fp32")
SAMPLES = tuple(
    Sample(name, np.random.default_rng(seed).uniform(-1, 1, CONFIG.input_shape).astype(np.float32))
    for seed, name in enumerate(["one", "two"])
)


@pytest.mark.parametrize("gate", ["fidelity", "identity", "loss"])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_only_the_graph_of_a_half_precision_package_is_read_exactly(case: Case, gate: Gate) -> None:
    half = case.target in ("mlpackage", "pte-coreml") and case.precision != "fp32"
    graph_alone = half and gate != "loss"
    assert reading_for(case, gate) == ("exact" if graph_alone else best_reading())


def test_an_artifact_that_answers_like_its_model_passes_every_gate(tiny: Path) -> None:
    answers = run(EagerRuntime(tiny_module(), CONFIG), SAMPLES)
    verdicts = prove(ONNX, tiny / "tiny.onnx", SAMPLES, {"identity": answers, "loss": answers})
    assert [(verdict.gate, verdict.status) for verdict in verdicts] == [("identity", "pass"), ("loss", "pass")]
    assert verdicts[0].producer.startswith("ONNX Runtime")


def result(tiny: Path, target: str, precision: str, file: str, *, examined: bool = True) -> Result:
    case = Case("PE-Core-T16-384", target, precision)
    passing = sample.passing(case)
    artifact = replace(sample.artifact(case), path=tiny / file)
    return replace(passing, artifact=artifact, verdicts=passing.verdicts if examined else ())


CORE_ML = ("pte-coreml", "fp32", "tiny.coreml.pte")


def backends(results: list[Result]) -> Verdict | None:
    judged = with_both_backends(results, SAMPLES)
    assert [r.case for r in judged] == [r.case for r in results]
    assert not [v for r in judged if r.case.target == "pte" for v in r.verdicts if v.gate == "backends"]
    return next((v for r in judged for v in r.verdicts if v.gate == "backends"), None)


@pytest.mark.parametrize(("file", "status"), [("tiny.pte", "pass"), ("cumsum.pte", "fail")])
def test_the_two_backends_of_executorch_are_held_to_one_another(tiny: Path, file: str, status: str) -> None:
    found = backends([result(tiny, "pte", "fp32", file), result(tiny, *CORE_ML)])
    assert found is not None
    assert found.status == status
    assert found.reference.startswith("ExecuTorch")
    assert found.producer.startswith("Core ML")


def test_the_program_of_the_same_precision_is_the_partner(tiny: Path) -> None:
    others = [result(tiny, "pte", "fp32", "tiny.pte"), result(tiny, "pte", "fp16", "cumsum.pte")]
    found = backends([*others, result(tiny, "pte-coreml", "fp16", "tiny.coreml.pte")])
    assert found is not None
    assert found.status == "fail"


def test_a_backend_without_a_partner_that_ran_is_not_compared(tiny: Path) -> None:
    assert backends([result(tiny, *CORE_ML)]) is None
    assert backends([result(tiny, "pte", "int8", "tiny.pte"), result(tiny, *CORE_ML)]) is None
    assert backends([result(tiny, "pte", "fp32", "tiny.pte", examined=False), result(tiny, *CORE_ML)]) is None


def test_an_artifact_for_images_of_another_size_fails_and_is_no_traceback(tiny: Path) -> None:
    larger = (Sample("large", np.zeros((1, 3, 999, 999), np.float32)),)
    answers = Outputs("PyTorch eager", {"large": np.ones((1, 8), np.float32)})
    (verdict,) = prove(ONNX, tiny / "tiny.onnx", larger, {"identity": answers})
    assert verdict.status == "fail"
    assert "999" in verdict.sentence


def test_an_artifact_with_features_of_another_size_fails_and_is_no_traceback(tiny: Path) -> None:
    wider = Outputs("PyTorch eager", {sample.name: np.ones((1, 512), np.float32) for sample in SAMPLES})
    (verdict,) = prove(ONNX, tiny / "tiny.onnx", SAMPLES, {"loss": wider})
    assert verdict.status == "fail"
    assert "[1, 8]" in verdict.sentence
    assert "[1, 512]" in verdict.sentence
