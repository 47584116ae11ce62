"""Matrices of a package are stored as its precision promises, and nothing else is compressed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pe_validate.case import Case
from pe_validate.data.structure import Weight
from pe_validate.data.verdict import Verdict
from pe_validate.gates.compression import judge_compression
from pe_validate.targets.coreml import COREML

PACKAGE = Case("PE-Core-T16-384", "mlpackage", "int8")
STORED = (
    Weight("expand", (768, 192), COREML.storage["int8"], 150_000, "linear"),
    Weight("patches", (192, 3, 16, 16), "float16", 300_000, "conv"),
    Weight("positions", (1, 577, 192), "float16", 220_000),
    Weight("axes", (3,), "int32", 12),
)


def judged(index: int, *, storage: str) -> Verdict:
    weights = list(STORED)
    weights[index] = replace(weights[index], storage=storage)
    return judge_compression(PACKAGE, weights)


def test_a_package_whose_matrices_alone_are_compressed_passes() -> None:
    verdict = judge_compression(PACKAGE, STORED)
    assert (verdict.gate, verdict.status) == ("compression", "pass")
    assert "1 matrices are stored as int8, a scale for each channel, every other tensor as float16" in verdict.sentence


@pytest.mark.parametrize("storage", ["float16", "float32", "int8", "int4, blocks of 32", "8-bit palette"])
def test_a_matrix_that_is_stored_otherwise_fails_by_name(storage: str) -> None:
    verdict = judged(0, storage=storage)
    assert verdict.status == "fail"
    assert f"'expand' is stored as {storage}" in verdict.sentence


@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("storage", ["float32", "int8, a scale for each channel", "8-bit palette"])
def test_a_table_or_convolution_that_is_compressed_fails_by_name(index: int, storage: str) -> None:
    verdict = judged(index, storage=storage)
    assert verdict.status == "fail"
    assert f"'{STORED[index].name}' is stored as {storage}" in verdict.sentence


def test_a_package_without_a_matrix_is_not_compressed() -> None:
    assert judge_compression(PACKAGE, STORED[1:]).status == "fail"
