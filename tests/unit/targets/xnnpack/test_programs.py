"""The values inside a program are read wherever they are computed: in its delegates, and between them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_artifacts import CONFIG, CumulativeSum, tiny_module

from pe_validate.data.outputs import Array
from pe_validate.targets.xnnpack import XNNPACK

IMAGE = np.random.default_rng(0).uniform(-1, 1, CONFIG.input_shape).astype(np.float32)


def is_among(wanted: Array, values: dict[str, Array]) -> bool:
    """Return whether a value has these elements, in whatever order they lie: XNNPACK keeps channels last."""
    sought = np.sort(wanted, None)
    same_size = (np.sort(value, None) for value in values.values() if value.size == wanted.size)
    return any(np.allclose(value, sought, atol=1e-5) for value in same_size)


@pytest.mark.parametrize("file", ["plain.pte", "portable.pte", "channels_last.pte"])
def test_a_value_is_found_with_and_without_a_delegate(strangers: Path, file: str) -> None:
    with torch.no_grad():
        patches = tiny_module()[0](torch.from_numpy(IMAGE)).numpy()  # type: ignore[index]  # it is a Sequential
        features = tiny_module()(torch.from_numpy(IMAGE)).numpy()
    values = XNNPACK.intermediates(strangers / file, "declared", IMAGE, frozenset({patches.size, features.size}))
    assert is_among(patches, values)
    assert is_among(features, values)


def test_values_of_every_delegate_and_of_the_operators_between_are_read(tiny: Path) -> None:
    """``cumsum`` is outside of the two delegates; what goes in and what comes out is read."""
    module = CumulativeSum().eval()
    with torch.no_grad():
        before = module.before(torch.from_numpy(IMAGE))
        wanted = [value.numpy() for value in (before, torch.cumsum(before, 1), module(torch.from_numpy(IMAGE)))]
    values = XNNPACK.intermediates(tiny / "cumsum.pte", "declared", IMAGE, frozenset({8}))
    assert [is_among(value, values) for value in wanted] == [True] * 3
