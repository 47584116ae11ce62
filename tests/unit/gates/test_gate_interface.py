"""What an artifact declares is what apps of its precision are written for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from altered import EvidenceOf

from pe_validate.gates.interface import INTERFACE
from pe_validate.reference.reference import Reference
from pe_validate.targets.eager import EagerRuntime


@pytest.mark.parametrize("part", ["inputs", "outputs"])
@pytest.mark.parametrize(
    "change", [{"dtype": "float16"}, {"name": "x"}, {"shape": (1,)}], ids=lambda change: min(change)
)
def test_an_artifact_must_declare_what_apps_are_written_for(
    model: Reference, part: str, change: dict[str, Any]
) -> None:
    runtime = EagerRuntime(model.module, model.model)
    evidence = EvidenceOf(model, runtime)
    sound = INTERFACE.judge(evidence)
    assert sound
    assert sound.status == "pass"
    (spec,) = getattr(runtime, part)
    setattr(runtime, part, (replace(spec, **change),))
    assert INTERFACE.judge_runtime(evidence, runtime).status == "fail"
