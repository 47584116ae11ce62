"""The products of KleidiAI's kernels, judged where instructions cannot be counted."""

from __future__ import annotations

import pytest
from nano import case

from pe_validate.data.execution import Execution
from pe_validate.gates.products import judge_products

I8MM = "kai_run_matmul_clamp_f32_qai8dxp4x8_qsi8cxp4x8_16x4_neon_i8mm"
DOTPROD = "kai_run_matmul_clamp_f32_qai8dxp4x4_qsi8cxp4x4_16x4_neon_dotprod"


@pytest.mark.parametrize(("products", "status"), [(969, "fail"), (970, "pass"), (1030, "pass"), (1031, "fail")])
def test_where_none_are_counted_kleidiai_must_compute_as_much_as_it_did(products: int, status: str) -> None:
    found = Execution("iphone-16", "it", {I8MM: products - 1, DOTPROD: 1})
    verdict = judge_products(case("int8"), found, 1000)
    assert (verdict.gate, verdict.status) == ("products", status)
    assert f"{products:,} products" in verdict.sentence
