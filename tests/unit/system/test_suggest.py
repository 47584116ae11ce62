"""A name that is nearly right is answered with the right one."""

from __future__ import annotations

import pytest

from pe_validate.system.suggest import did_you_mean

NAMES = ("PE-Nano", "PE-Core-T16-384", "PE-Core-T16-384/pte/int8")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("pe-nano", "PE-Nano"),
        ("PE-Naon", "PE-Nano"),
        ("PE-CORE-T16-384", "PE-Core-T16-384"),
        ("PE-Core-T16-384/pte/int-8", "PE-Core-T16-384/pte/int8"),
    ],
)
def test_it_is_suggested(typed: str, meant: str) -> None:
    assert did_you_mean(typed, NAMES) == f" Did you mean '{meant}'?"


@pytest.mark.parametrize("typed", ["", "resnet50", "*"])
def test_nothing_is_suggested_for_what_is_like_none(typed: str) -> None:
    assert did_you_mean(typed, NAMES) == ""
