"""The evidence of a sound model whose answers are altered on their way: what an artifact with a fault would give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from nano import case
from numpy.typing import NDArray

from pe_validate.data.outputs import Outputs
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.reference.reference import Reference
from pe_validate.targets.base import Purpose
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.runtime import Given, Runtime

CASE: Final = case("fp32", "onnx")

Values = NDArray[np.generic]
Answer = Callable[[Values, Values], Values]


class Altered(Runtime):
    """The sound model, whose answer to ``image`` is passed through ``change(image, answer)``; it takes several."""

    producer = "a runtime"

    def __init__(self, model: Reference, change: Answer) -> None:
        self._sound, self._change = EagerRuntime(model.module, model.model), change
        self.inputs = (replace(model.model.input, shape=(-1, *model.model.input.shape[1:])),)
        self.outputs = (replace(model.model.output, shape=(-1, *model.model.output.shape[1:])),)

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Pass on what was changed."""
        (image,) = given
        answers = np.concatenate([self._sound.compute([one[None]], wanted)[0] for one in image])
        return [self._change(image, answers)]


class EvidenceOf(Evidence):
    """What a runtime in this process answers; there is no file."""

    def __init__(self, model: Reference, runtime: Runtime, *partners: Outputs) -> None:
        super().__init__(Subject(CASE, model.weights.spec), Path("no file"), model, partners=partners)
        self._runtime = runtime

    def runtime(self, purpose: Purpose) -> Runtime:
        """Return it, for every purpose."""
        return self._runtime


def altered(model: Reference, change: Answer) -> Evidence:
    """Return the evidence of a model that answers otherwise."""
    return EvidenceOf(model, Altered(model, change))


def sound(image: Values, answer: Values) -> Values:
    """Alter nothing."""
    return answer
