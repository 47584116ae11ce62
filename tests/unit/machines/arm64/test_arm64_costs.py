"""Costs are stored and read, and the page shows them."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from nano import case
from places import GOLDENS, ROOT

from pe_validate.machines.arm64.costs import store_costs, stored_costs
from pe_validate.machines.arm64.profiles import PROFILES
from pe_validate.system.errors import GoldenError


def test_stored_costs_are_replaced_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    store_costs(path, {("iphone-14", case("int8")): 5, ("iphone-11", case("fp32")): 6})
    store_costs(path, {("iphone-14", case("int4")): 7, ("iphone-11", case("fp32")): 8})
    assert stored_costs(path) == {
        "iphone-11": {"PE-Nano/pte/fp32": 8},
        "iphone-14": {"PE-Nano/pte/int4": 7, "PE-Nano/pte/int8": 5},
    }


def test_damaged_costs_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    for cost in ('"many"', "0", "-1", "9" * 400):
        path.write_text(f'{{"iphone-14": {{"PE-Nano/pte/int8": {cost}}}}}')
        with pytest.raises(GoldenError, match="restore it"):
            stored_costs(path)


def test_costs_that_never_end_are_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "costs.json")
    with pytest.raises(GoldenError, match="restore it"):
        stored_costs(tmp_path / "costs.json")


def test_costs_that_are_not_there_are_missed(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match="There are no costs at"):
        stored_costs(tmp_path / "costs.json")


def test_the_page_shows_what_is_stored() -> None:
    stored = stored_costs(GOLDENS / "arm64-costs.json")
    page = (ROOT / "docs" / "arm64.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (PE-\S+) \|" + r" ([\d.,]+|–) \|" * len(PROFILES) + "$", page, re.MULTILINE)
    found = {(profile, name): shown for name, *cells in rows for profile, shown in zip(PROFILES, cells, strict=True)}
    wanted = {(profile, name): f"{n / 1e6:,.1f}" for profile, costs in stored.items() for name, n in costs.items()}
    assert {at: shown for at, shown in found.items() if shown != "–"} == wanted
