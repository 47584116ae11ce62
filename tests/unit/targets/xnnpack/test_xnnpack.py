"""What a program says of itself to who knows nothing else of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pe_validate.data.structure import Delegation, Structure
from pe_validate.targets.xnnpack import XNNPACK


@pytest.mark.parametrize("precision", XNNPACK.precisions)
def test_a_program_says_its_precision_by_its_arithmetic(precision: str) -> None:
    delegation = Delegation(1, (), {f"linear {XNNPACK.operands[precision]}": 100, "bmm fp32 × fp32": 900})
    assert XNNPACK.precision_of(Path("model.pte"), Structure(delegation)) == precision
