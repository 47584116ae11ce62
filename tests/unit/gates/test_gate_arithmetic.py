"""A program multiplies in what its precision promises."""

from __future__ import annotations

import pytest

from pe_validate.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.gates.arithmetic import judge_arithmetic

INT8 = Case("PE-Core-T16-384", "pte", "int8")
PROMISED = {"linear qdint8 × qcint8": 990, "linear fp32 × fp32": 10, "bmm fp32 × fp32": 500}


def test_averages_in_float32_do_not_break_an_arithmetic_promise() -> None:
    assert judge_arithmetic(INT8, Delegation(1, (), PROMISED)).status == "pass"


@pytest.mark.parametrize(
    "products",
    [
        {},
        {"linear fp32 × fp32": 1000},
        {"linear qdint8 × qbint4": 1000},
        {"linear qint8 × qcint8": 1000},
        PROMISED | {"linear fp32 × fp32": 11},
        {"bmm qdint8 × qcint8": 1000},
    ],
    ids=["none", "float", "four bits", "static", "a layer left in float", "not in a linear layer"],
)
def test_other_arithmetic_than_promised_fails_and_is_named(products: dict[str, int]) -> None:
    verdict = judge_arithmetic(INT8, Delegation(1, (), products))
    assert verdict.status == "fail"
    assert "qdint8 × qcint8 are wanted" in verdict.sentence
    for key in products:
        assert key.removeprefix("linear ") in verdict.sentence or not key.startswith("linear ")
