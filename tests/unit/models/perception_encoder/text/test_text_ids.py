"""Ids beyond the vocabulary are refused in a sentence, and nothing crashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pe_validate.case import select
from pe_validate.machines.isolation import opened
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, NANO_TEXT, START_OF_TEXT, VOCABULARY
from pe_validate.models.registry import load_weights
from pe_validate.system.errors import RunError
from pe_validate.targets.export import export

IDS = np.array([[START_OF_TEXT, VOCABULARY, END_OF_TEXT, *[0] * 29]], np.int32)


@pytest.mark.parametrize(
    "kind", ["onnx/fp32", *(pytest.param(kind, marks=pytest.mark.full) for kind in ("pte/fp32", "mlpackage/fp16"))]
)
def test_an_id_beyond_the_vocabulary_is_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    (case,) = select([f"{NANO_TEXT.name}/{kind}"])
    artifact = export(case, load_weights(case.model, "seed:7"), tmp_path)
    with opened(case, artifact.path) as runtime, pytest.raises(RunError) as raised:
        runtime.run(IDS)
    assert "\n" not in str(raised.value)
