"""Integers have the range of the type that the program declares, whatever type holds them in memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pe_validate.mil.dtypes import DATA_TYPES, wrap
from pe_validate.mil.ops.elementwise import cast

WHOLE = {
    dtype.name: dtype for dtype in DATA_TYPES.values() if dtype.name.startswith(("int", "uint")) and dtype.bits >= 8
}
NARROW = {dtype.name: dtype for dtype in DATA_TYPES.values() if dtype.bits < 8}


@pytest.mark.parametrize("name", WHOLE)
@given(values=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=8))
def test_numbers_wrap_as_in_numpy(name: str, values: list[int]) -> None:
    given_values = np.array(values, np.int64)
    found = wrap(torch.from_numpy(given_values), WHOLE[name])
    assert found.dtype is WHOLE[name].memory
    expected = given_values.astype(name)
    # Values of uint64 are held in the same bits.
    np.testing.assert_array_equal(found.numpy(), expected.view(np.int64) if name == "uint64" else expected)


@pytest.mark.parametrize("name", NARROW)
def test_narrow_types_wrap_too(name: str) -> None:
    dtype = NARROW[name]
    values = torch.arange(-200, 200)
    low = -(2 ** (dtype.bits - 1)) if name.startswith("int") else 0
    expected = (values - low) % 2**dtype.bits + low
    assert wrap(values, dtype).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("uint16", 70_000, 4_464),
        ("uint16", -1, 65_535),
        ("uint8", 300.7, 44),
        ("int8", -129, 127),
        ("int16", 40_000, -25_536),
    ],
)
def test_a_cast_wraps_what_its_type_does_not_hold(dtype: str, value: float, expected: int) -> None:
    assert cast(torch.tensor([value]), dtype).tolist() == [expected]


def test_floats_and_booleans_do_not_wrap() -> None:
    by_name = {dtype.name: dtype for dtype in DATA_TYPES.values()}
    assert wrap(torch.tensor([1e9, -0.5]), by_name["float32"]).tolist() == [1e9, -0.5]
    assert wrap(torch.tensor([0.5, 0, -3]), by_name["bool"]).tolist() == [True, False, True]
