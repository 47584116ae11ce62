"""The walk's own decisions: how an artifact is read for a gate, and that every outcome is a verdict or one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_artifacts import CONFIG, tiny_module

from pe_validate.case import MATRIX, Case
from pe_validate.inputs.images import Sample
from pe_validate.pipeline import prove, reading_for
from pe_validate.runtime import Outputs, run
from pe_validate.runtime.base import best_reading
from pe_validate.runtime.run_eager import EagerRuntime
from pe_validate.tolerance import Gate

ONNX = Case("PE-Core-T16-384", "onnx", "fp32")
SAMPLES = tuple(
    Sample(name, np.random.default_rng(seed).uniform(-1, 1, CONFIG.input_shape).astype(np.float32))
    for seed, name in enumerate(["one", "two"])
)


@pytest.mark.parametrize("gate", ["fidelity", "identity", "loss"])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_only_the_graph_of_a_half_precision_package_is_read_exactly(case: Case, gate: Gate) -> None:
    half = case.target == "mlpackage" and case.precision != "fp32"
    graph_alone = half and gate != "loss"
    assert reading_for(case, gate) == ("exact" if graph_alone else best_reading())


def test_an_artifact_that_answers_like_its_model_passes_every_gate(tiny: Path) -> None:
    answers = run(EagerRuntime(tiny_module(), CONFIG), SAMPLES)
    verdicts = prove(ONNX, tiny / "tiny.onnx", SAMPLES, {"identity": answers, "loss": answers})
    assert [(verdict.gate, verdict.status) for verdict in verdicts] == [("identity", "pass"), ("loss", "pass")]
    assert verdicts[0].producer.startswith("ONNX Runtime")


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
