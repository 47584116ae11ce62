"""The trained fixture is what its README says, and accuracy is counted as it should be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from places import FIXTURES

from pe_validate.data.outputs import Outputs
from pe_validate.models.perception_encoder.vision.nano import held_out
from pe_validate.models.registry import load_model, load_weights, model_named
from pe_validate.system.errors import UsageError
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import run
from pe_validate.tasks.accuracy import top1

NANO = model_named("PE-Nano")
README = FIXTURES / "nano" / "README.md"


def test_a_thousand_labelled_images_of_ten_classes_are_held_out() -> None:
    images = held_out()
    assert len(images.inputs) == len(images.labels) == 1000
    assert set(images.labels.tolist()) == set(range(10))
    assert images.classes.shape == (10, NANO.output.shape[-1])
    assert images.inputs[0].image.shape == NANO.input.shape


def test_the_trained_model_recognises_as_many_as_its_readme_says() -> None:
    tower = load_model("PE-Nano", "trained")
    found = top1(run(EagerRuntime(tower, NANO), held_out().inputs), held_out())
    said = re.search(r"(\d+) of 1,000", README.read_text(encoding="utf-8"))
    assert said
    assert found == pytest.approx(int(said[1]) / 1000, abs=0.001)


def test_an_untrained_model_guesses() -> None:
    tower = load_model("PE-Nano", "seed:7")
    assert top1(run(EagerRuntime(tower, NANO), held_out().inputs), held_out()) < 0.3


def test_features_that_are_the_right_class_are_all_recognised() -> None:
    images = held_out()
    answers = {s.name: images.classes[label][None] for s, label in zip(images.inputs, images.labels, strict=True)}
    assert top1(Outputs("an oracle", answers), images) == 1


def test_features_that_are_not_finite_are_not_recognised_by_their_luck() -> None:
    images = held_out()
    nowhere = np.full((1, 64), np.nan, np.float32)
    assert top1(Outputs("broken", dict.fromkeys((s.name for s in images.inputs), nowhere)), images) < 0.2


def test_only_the_small_model_comes_with_trained_weights() -> None:
    with pytest.raises(UsageError, match="Only PE-Nano comes with trained weights"):
        load_weights("PE-Core-T16-384", "trained")
