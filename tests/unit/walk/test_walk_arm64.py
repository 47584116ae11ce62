"""What this machine's own CPU answers to a program is known, or it is known that it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from nano import case

from pe_validate.data.artifact import Artifact
from pe_validate.reference.reference import reference
from pe_validate.system.errors import RunError
from pe_validate.walk.arm64 import answers_here


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_only_float16_may_be_more_than_this_cpu_can_compute(precision: str, tmp_path: Path) -> None:
    path = tmp_path / "refused.pte"
    path.write_bytes(b"what no runtime takes")
    artifact = Artifact(case(precision), path, "", 0, (), (), "", "", {}, 0.0)
    model = reference("PE-Nano")
    if precision == "fp16":
        assert answers_here(artifact, model) is None
    else:
        with pytest.raises(RunError):
            answers_here(artifact, model)
