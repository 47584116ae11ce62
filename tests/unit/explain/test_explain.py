"""Places are the same in the model and in its rewrite, are found in every artifact, and the first lost one is named."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from nano import IMAGES
from towers import tower_of

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.compare import compare
from pe_validate.data.explanation import Explanation, Step
from pe_validate.explain.locate import departure, explain, first_departure, steepest
from pe_validate.models.perception_encoder.vision.places import place_of_layer, places_of
from pe_validate.models.registry import load_model
from pe_validate.reference.reference import Reference, reference
from pe_validate.report.explained import to_chart
from pe_validate.system.errors import ExplainError
from pe_validate.system.process import Child
from pe_validate.targets.export import export
from pe_validate.targets.registry import target_named
from pe_validate.walk.check import check, claimed
from pe_validate.walk.walk import evidence_of, examine

MODEL = "PE-Nano"
PLACES = ["patches", "ln_pre"]
PLACES += [f"block {number} {part}" for number in range(6) for part in ("attention", "MLP")]
PLACES += ["ln_post", "pooling", "projection"]


@pytest.fixture(scope="module")
def model() -> Reference:
    return reference(MODEL)


def made(kind: str, model: Reference) -> Artifact:
    return export(Case(MODEL, *kind.split("/")), model.weights)


@pytest.mark.parametrize("kind", ["onnx/fp32", "pte/fp32", "pte/fp16"])
def test_model_and_rewrite_pass_the_same_places(kind: str, model: Reference) -> None:
    image = model.inputs[0].image
    tower, rewrite = (
        places_of(model.module, image),
        places_of(model.rewrite(Case(MODEL, *kind.split("/")), exact=True).module, image),
    )
    assert list(tower) == list(rewrite) == PLACES
    assert min(compare(tower[place], rewrite[place]).snr_db for place in PLACES) > 107


def test_a_module_without_structure_has_no_places(model: Reference) -> None:
    assert places_of(tower_of(model).ln_pre, model.inputs[0].image) == {}


@pytest.mark.parametrize("kind", ["onnx/fp32", "pte/fp32", "pte/int8", "mlpackage/fp16"])
def test_a_sound_artifact_stays_with_its_model_at_every_place(kind: str, model: Reference) -> None:
    artifact = made(kind, model)
    found = first_departure(artifact.case, artifact.path, model, model.inputs[0], made_here=True)
    assert found.place is None, found.sentence
    assert [step.place for step in found.steps] == PLACES
    assert all(step.snr_db > 20 for step in found.steps)
    assert "at every place" in found.sentence


def test_a_file_that_someone_spoilt_is_explained_by_its_block(model: Reference, tmp_path: Path) -> None:
    artifact = made("onnx/fp32", model)
    file = onnx.load(artifact.path)
    weight = next(t for t in file.graph.initializer if t.name == "encoder.block4.expand.weight")
    weight.raw_data = weight.raw_data[::-1][:4000] + weight.raw_data[4000:]
    path = tmp_path / artifact.path.name
    onnx.save(file, path)
    result = examine(evidence_of(replace(artifact, path=path), model))
    found = explain(artifact.case, path, model, result.verdicts)
    assert found is not None
    assert result.explanation == found
    assert result.unexplained is None
    assert found.place == "block 4 MLP"
    assert "in block 4 MLP" in found.sentence
    assert result.diagnosis is not None  # random bytes are numbers of any size, so that nothing need agree
    assert to_chart(found).splitlines()[PLACES.index("block 4 MLP")].endswith("← here")


def test_what_passed_has_nothing_to_explain(model: Reference) -> None:
    artifact = made("onnx/fp32", model)
    result = examine(evidence_of(artifact, model))
    assert result.status == "pass"
    assert explain(artifact.case, artifact.path, model, result.verdicts) is None
    assert result.explanation is None
    assert result.unexplained is None


def test_what_cannot_be_taken_apart_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"no model")
    with pytest.raises(ExplainError, match=r"intermediate values of '.*broken\.onnx' cannot be read"):
        target_named("onnx").intermediates(path, "exact", np.zeros((1, 3, 64, 64), np.float32), frozenset({1}))


@pytest.mark.parametrize(
    ("layer", "place"),
    [
        ("encoder.block2.contract.weight.scale", "block 2 MLP"),
        ("encoder.block11.expand.bias", "block 11 MLP"),
        ("encoder.block0.attention.out.weight", "block 0 attention"),
        ("encoder.pool.value.weight", "pooling"),
        ("encoder.projection.weight", "projection"),
        ("_frozen_param7", None),
    ],
)
def test_a_layer_has_a_place(layer: str, place: str | None) -> None:
    assert place_of_layer(layer) == place


def test_the_steepest_fall_is_where_most_is_lost() -> None:
    steps = [Step(place, snr, "") for place, snr in zip("abcde", (inf, 120.0, 118.0, 60.0, 58.0), strict=True)]
    assert steepest(steps) == "d"
    assert steepest(steps[:1]) is None


def test_a_chart_has_a_line_for_each_place_and_can_be_printed() -> None:
    steps = (Step("patches", inf, "cat"), Step("ln_pre", 80.0, "add"), Step("block 0 attention", -inf, "nothing"))
    found = Explanation(
        Case(MODEL, "onnx", "fp32"), "fidelity", "its graph", "china", 107.0, steps, "block 0 attention"
    )
    lines = to_chart(found).splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [step.place for step in steps]
    assert [line.count("█") for line in lines] == [40, 20, 0]
    assert lines[-1].endswith("← here")


def steps_of(*values: float) -> list[Step]:
    return [Step(place, snr, "") for place, snr in zip("abcde", values, strict=False)]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ((120, 119, 118), None),
        ((120, 20, 118), None),
        ((-inf, -inf, 118), None),
        ((120, 119, 60), "c"),
        ((120, 60, 58), "b"),
        ((120, 20, 118, 60, 58), "d"),
        ((60, 59, -inf), "a"),
        ((), None),
    ],
)
def test_a_place_that_disagrees_before_others_that_agree_is_no_departure(
    values: tuple[float, ...], place: str | None
) -> None:
    assert departure(steps_of(*values), 100) == place


def write_normalised(path: Path) -> None:
    """PE-Nano, not rewritten, and its features scaled to length one; to be called in a child."""
    torch.onnx.export(Normalised(), (torch.from_numpy(IMAGES[0].image),), str(path), dynamo=True, external_data=False)


class Normalised(torch.nn.Module):
    """An encoder with a step behind the last place."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = load_model(MODEL).eval()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.inner(image), dim=-1)


def test_what_is_done_to_the_features_at_the_end_is_the_outputs_departure(model: Reference, tmp_path: Path) -> None:
    """The tower's own places agree, those that the rewrite folds included; so the fault is behind them."""
    path = tmp_path / "normalised.onnx"
    with Child(tmp_path / "log") as child:
        child.call(write_normalised, 300, path)
    claim = claimed(path, MODEL)
    found = first_departure(claim.case, path, model, model.inputs[0], made_here=False)
    assert (found.place, found.steps[-1].place) == ("output", "output")
    assert min(step.snr_db for step in found.steps[-3:-1]) > 100
    explanation = check(claim, model).explanation
    assert explanation
    assert explanation.place == "output"
