"""The walk's own decisions: how an artifact is read for a gate, and that every outcome is a verdict or one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_artifacts import CONFIG, TinyModel
from torch import Tensor, nn

from pe_validate.case import MATRIX, Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.identity import IDENTITY
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.registry import BY_NAME
from pe_validate.inputs.images import Sample
from pe_validate.models import registry
from pe_validate.models.base import Model
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import ExportError
from pe_validate.targets.coreml import best_reading
from pe_validate.targets.registry import target_of
from pe_validate.walk import walk
from pe_validate.walk.walk import examine, validate, validate_all

ONNX = Case("PE-Core-T16-384", "onnx", "fp32")
SAMPLES = tuple(
    Sample.of(name, np.random.default_rng(seed).uniform(-1, 1, CONFIG.input_shape).astype(np.float32))
    for seed, name in enumerate(["one", "two"])
)


@pytest.mark.parametrize("gate", ["fidelity", "identity", "loss"])
@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_only_the_graph_of_a_half_precision_package_is_read_exactly(case: Case, gate: str) -> None:
    readings = case.target in ("mlpackage", "pte-coreml", "coreai")
    graph_alone = readings and case.precision != "fp32" and gate != "loss"
    asked = BY_NAME[gate]
    assert isinstance(asked, NumbersGate)
    otherwise = best_reading() if readings else "native"
    assert target_of(case).reading(case.precision, asked.purpose) == ("exact" if graph_alone else otherwise)


def evidence(path: Path, model: Model, inputs: tuple[Sample, ...] = SAMPLES) -> Evidence:
    """Of a file that someone else made."""
    weights = model.load_weights("seed:0")
    return Evidence(
        Subject(ONNX, "seed:0", made_here=False), path, Reference(model, weights, model.load(weights), inputs)
    )


def test_an_artifact_that_answers_like_its_model_passes_every_gate(tiny: Path) -> None:
    with evidence(tiny / "tiny.onnx", TinyModel()) as found:
        verdicts = [verdict for gate in (IDENTITY, LOSS) if (verdict := gate.judge(found))]
    assert [(verdict.gate, verdict.status) for verdict in verdicts] == [("identity", "pass"), ("loss", "pass")]
    assert verdicts[0].producer.startswith("ONNX Runtime")
    result = examine(evidence(tiny / "tiny.onnx", TinyModel()))
    assert result.status == "pass"
    assert {verdict.gate for verdict in result.verdicts} == set(result.required)


Files = Mapping[Case, str | None]
"""What cases were exported to, by name in the folder of tiny artifacts; None of an export that failed."""


class Walk:
    """Walks with a model that is called ``tiny``, and with files that are there already."""

    def __init__(self, tiny: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._tiny, self._cache, self._files = tiny, cache, dict[Case, str | None]()
        models = {**registry.models(), "tiny": TinyModel()}
        monkeypatch.setattr(registry, "models", lambda: models)
        monkeypatch.setattr(walk, "export", self._export)

    def _export(self, case: Case, *_: object) -> Artifact:
        name = self._files[case]
        if name is None:
            raise ExportError("It cannot be exported.")
        model = TinyModel()
        path = self._tiny / name
        return Artifact(case, path, "", path.stat().st_size, (model.input,), (model.output,), "seed:0", "", {}, 0.0)

    def all(self, files: Files) -> tuple[Result, ...]:
        self._files = dict(files)
        return validate_all(list(files), "seed:0", cache_dir=self._cache)

    def one(self, case: Case, file: str) -> Result:
        self._files = {case: file}
        return validate(case, "seed:0", cache_dir=self._cache)


@pytest.fixture
def walked(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Walk:
    return Walk(tiny, tmp_path, monkeypatch)


def test_a_walk_ends_in_a_result_that_knows_what_was_required_and_what_it_took(walked: Walk) -> None:
    case = Case("tiny", "onnx", "fp32")
    result = walked.one(case, "tiny.onnx")
    assert (result.case, result.status, result.missing) == (case, "pass", ())
    assert {"rewrite", "fidelity", "loss", "interface", "extremes", "determinism"} <= set(result.required)
    assert list(result.seconds) == ["export", "run"]
    assert result.again == "pe-validate run tiny/onnx/fp32 --weights seed:0"
    artifact, verdicts = result
    assert artifact is result.artifact
    assert verdicts is result.verdicts


def test_a_stage_that_cannot_do_its_work_is_an_error_with_what_was_required(walked: Walk) -> None:
    failed, sound = walked.all({Case("tiny", "onnx", "fp32"): None, Case("tiny", "pte", "fp32"): "tiny.pte"})
    assert (failed.status, failed.error, failed.verdicts) == ("error", "It cannot be exported.", ())
    assert {"fidelity", "loss"} <= set(failed.required)
    assert sound.status == "pass", [v.sentence for v in sound.verdicts if v.status != "pass"]


def test_a_fault_whose_place_nothing_can_tell_says_why(walked: Walk) -> None:
    result = walked.one(Case("tiny", "pte", "fp32"), "cumsum.pte")
    assert result.status == "fail"
    assert result.explanation is None
    assert result.unexplained
    assert "names no places" in result.unexplained


CORE_ML = Case("tiny", "pte-coreml", "fp32")


def program(precision: str) -> Case:
    return Case("tiny", "pte", precision)


def backends(walked: Walk, files: Files) -> Verdict | None:
    judged = walked.all(files)
    assert [r.case for r in judged] == list(files)
    assert not [v for r in judged if r.case.target == "pte" for v in r.verdicts if v.gate == "backends"]
    return next((v for r in judged for v in r.verdicts if v.gate == "backends"), None)


@pytest.mark.parametrize(("file", "status"), [("tiny.pte", "pass"), ("cumsum.pte", "fail")])
def test_the_two_backends_of_executorch_are_held_to_one_another(walked: Walk, file: str, status: str) -> None:
    found = backends(walked, {CORE_ML: "tiny.coreml.pte", program("fp32"): file})
    assert found is not None
    assert found.status == status
    assert found.reference.startswith("ExecuTorch")
    assert found.producer.startswith("Core ML")


def test_the_program_of_the_same_precision_is_the_partner(walked: Walk) -> None:
    others = {program("fp32"): "tiny.pte", program("fp16"): "cumsum.pte"}
    found = backends(walked, {**others, replace(CORE_ML, precision="fp16"): "tiny.coreml.pte"})
    assert found is not None
    assert found.status == "fail"


def test_a_backend_without_a_partner_that_ran_is_not_compared(walked: Walk) -> None:
    others: tuple[Files, ...] = ({}, {program("int8"): "tiny.pte"}, {program("fp32"): None})
    for files in others:
        assert backends(walked, {**files, CORE_ML: "tiny.coreml.pte"}) is None


class Ones(nn.Module):
    """The same features for every image."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, image: Tensor) -> Tensor:
        return torch.ones(1, self.dim)


def test_an_artifact_for_images_of_another_size_fails_and_is_no_traceback(tiny: Path) -> None:
    model = TinyModel(replace(CONFIG, image_size=999), Ones(8))
    larger = (Sample.of("large", np.zeros((1, 3, 999, 999), np.float32)),)
    with evidence(tiny / "tiny.onnx", model, larger) as found:
        verdict = IDENTITY.judge(found)
        assert not found.comparable
    assert verdict
    assert verdict.status == "fail"
    assert "999" in verdict.sentence
    assert examine(evidence(tiny / "tiny.onnx", model, larger)).status == "fail"


def test_an_artifact_with_features_of_another_size_fails_and_is_no_traceback(tiny: Path) -> None:
    model = TinyModel(replace(CONFIG, output_dim=512), Ones(512))
    with evidence(tiny / "tiny.onnx", model) as found:
        verdict = LOSS.judge(found)
    assert verdict
    assert verdict.status == "fail"
    assert "[1, 8]" in verdict.sentence
    assert "[1, 512]" in verdict.sentence
    assert examine(evidence(tiny / "tiny.onnx", model)).status == "fail"
