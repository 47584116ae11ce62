"""The short way through ExecuTorch's passes ends in the same program as the documented one."""

from __future__ import annotations

import numpy as np
import pytest
from lowering import lower_both_ways

from pe_validate.system.process import Child

BYTE_IDENTICAL = ("fp32", "fp16", "int8", "int4")


@pytest.mark.parametrize(
    "precision",
    ["fp32", "int8", *(pytest.param(p, marks=pytest.mark.full) for p in ("fp16", "int8-static", "int4"))],
)
def test_lowers_to_the_same_program(precision: str) -> None:
    with Child() as child:
        documented, short = child.call(lower_both_ways, 600, precision)
    assert documented["delegates"] == short["delegates"] == 1
    assert short["specs"] == 0
    assert short["nodes"] == documented["nodes"]
    assert np.array_equal(short["answer"], documented["answer"])
    # Static programs differ from one export of the same module to the next, in the order of equal constants.
    assert (short["sha256"] == documented["sha256"]) or precision not in BYTE_IDENTICAL
