"""An artifact that declares any batch answers several images as it answers each."""

from __future__ import annotations

import numpy as np
import pytest
from altered import CASE, Answer, EvidenceOf, altered, sound

from pe_validate.gates.base import Subject
from pe_validate.gates.batch import BATCH
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (sound, "pass"),
        (lambda image, answer: np.repeat(answer[:1], len(image), axis=0), "fail"),
        (lambda image, answer: answer[::-1], "fail"),
        (lambda image, answer: answer[:1], "fail"),
        (lambda image, answer: answer[0] if len(image) > 1 else answer, "fail"),
    ],
    ids=["sound", "the first one repeated", "in another order", "only the first one", "no batch"],
)
def test_several_images_at_once_get_each_their_own_answer(model: Reference, change: Answer, status: str) -> None:
    verdict = BATCH.judge(altered(model, change))
    assert verdict
    assert (verdict.gate, verdict.status) == ("batch", status)


def test_an_artifact_that_takes_one_image_is_not_asked_for_several(model: Reference) -> None:
    assert BATCH.judge(EvidenceOf(model, EagerRuntime(model.module, model.model))) is None
    assert not BATCH.required(Subject(CASE, "seed:7"))
