"""Phones are known by name, and by the features of their cores."""

from __future__ import annotations

import pytest

from pe_validate.machines.arm64.profiles import features_in, profile_named
from pe_validate.system.errors import UsageError


def test_features_are_read_from_the_auxiliary_vector() -> None:
    assert features_in((0b10, 0, 0)) == {"neon"}
    assert features_in((1 << 20 | 1 << 1, 1 << 13, 64)) == {"neon", "dotprod", "i8mm", "512-bit streaming"}


def test_an_unknown_profile_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UsageError, match="iphone-11, iphone-14, iphone-16"):
        profile_named("iphone-3")
