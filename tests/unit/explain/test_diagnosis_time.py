"""A diagnosis is there within a minute, for a model of a phone's size as well."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.nn import functional as F

from pe_validate.case import Case
from pe_validate.explain.diagnose import diagnose
from pe_validate.explain.suspect import Suspect, asking
from pe_validate.reference.reference import Reference, reference

SECONDS = 60
CASE = Case("PE-Core-T16-384", "onnx", "fp32")

Answer = Callable[[Reference, NDArray[np.float32]], NDArray[np.float64]]


def of_bgr(model: Reference, image: NDArray[np.float32]) -> NDArray[np.float64]:
    return asking(model.module)(np.ascontiguousarray(image[:, ::-1]))


def of_bgr_at_length_1(model: Reference, image: NDArray[np.float32]) -> NDArray[np.float64]:
    found = of_bgr(model, image)
    return found / np.linalg.norm(found)


def of_gelu_by_tanh(model: Reference, image: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = F.gelu
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(F, "gelu", lambda x, approximate="none": exact(x, approximate="tanh"))
        return asking(model.module)(image)


def of_nothing(model: Reference, image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Answer with noise, for which every mistake is tried."""
    return np.random.default_rng(int(np.abs(image).sum())).standard_normal(model.model.output.shape)


@pytest.mark.full
@pytest.mark.parametrize(
    ("answer", "names"),
    [
        (of_bgr, ("bgr",)),
        (of_bgr_at_length_1, ("bgr", "normalised output")),
        (of_gelu_by_tanh, ("gelu by tanh",)),
        (of_nothing, ()),
    ],
)
def test_a_mistake_with_t16_is_named_or_given_up_within_a_minute(answer: Answer, names: tuple[str, ...]) -> None:
    model = reference(CASE.model)
    found = {each.name: answer(model, each.image).astype(np.float32) for each in model.inputs}
    said = diagnose(Suspect(CASE, "loss", model, found, model.trained.features, model.module, "float32", 107, 107))
    print(f"{answer.__name__}: {said.seconds} s, {said.tried} mistakes tried")
    assert said.names == names
    assert said.seconds <= SECONDS
