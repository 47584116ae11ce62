"""The instructions that count products, and those by which kernels of XNNPACK are told apart, as Arm defines them."""

from __future__ import annotations

import numpy as np
import pytest

from pe_validate.machines.arm64.kernels import _product


@pytest.mark.parametrize(
    ("word", "name"),
    [
        (0x4E9FA7FE, "smmla"),  # smmla v30.4s, v31.16b, v31.16b
        (0x4E829420, "sdot"),  # sdot v0.4s, v1.16b, v2.16b
        (0x4FA2E820, "sdot"),  # sdot v0.4s, v1.16b, v2.4b[3]
        (0x4E22CC20, "fmla .4s"),  # fmla v0.4s, v1.4s, v2.4s
        (0x4FA21820, "fmla .4s"),  # fmla v0.4s, v1.4s, v2.s[3]
        (0x4E420C20, "fmla .8h"),  # fmla v0.8h, v1.8h, v2.8h
        (0x4F321820, "fmla .8h"),  # fmla v0.8h, v1.8h, v2.h[7]
        (0x0E628020, "smlal"),  # smlal v0.4s, v1.4h, v2.4h
        (0x4F722820, "smlal"),  # smlal2 v0.4s, v1.8h, v2.h[7]
        (0x0E22C020, "smull"),  # smull v0.8h, v1.8b, v2.8b
    ],
)
def test_a_function_is_told_by_its_most_telling_product(word: int, name: str) -> None:
    nothing, ret = 0xD503201F, 0xD65F03C0
    assert _product(np.array([nothing, word, ret], "<u4")) == f" ({name})"
    fmla = 0x4E22CC20
    expected = f" ({name})" if name != "fmla .4s" else " (fmla .4s)"
    assert _product(np.array([fmla, word, ret], "<u4")) == expected


@pytest.mark.parametrize("word", [0xD503201F, 0xD65F03C0, 0x4E22D420, 0x9B017C09])
def test_other_instructions_tell_nothing(word: int) -> None:
    assert _product(np.array([word], "<u4")) == ""
