"""The table of budgets: complete, with reasons, and read without mercy."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from places import GOLDENS
from pydantic import TypeAdapter, ValidationError

from pe_validate.case import MATRIX
from pe_validate.measure.budget import PhoneRow, Table, budgets, phone_budgets, table
from pe_validate.models.registry import WITH_GOLDENS
from pe_validate.targets.registry import target_of

MANIFEST = GOLDENS / "manifest.json"
PHONES = phone_budgets(table().phones)
ROW = {"cases": ["*"], "device": "iPhone", "milliseconds": 33.3, "label": "real time", "reason": "a reason"}


def row(*cases: str, device: str = "iPhone", milliseconds: float = 1.0) -> PhoneRow:
    return PhoneRow(cases, device, milliseconds, "a label", "a reason")


@pytest.mark.parametrize("model", WITH_GOLDENS)
def test_every_case_that_a_phone_computes_has_one_budget_for_every_iphone(model: str) -> None:
    cells = [(budget.target, budget.precision) for budget in PHONES[model] if budget.device == "iPhone"]
    wanted = [(case.target, case.precision) for case in MATRIX if case.model == model and target_of(case).on_phones]
    assert sorted(cells) == sorted(wanted)


def test_real_time_is_a_frame_of_thirty_a_second_and_all_else_is_labelled() -> None:
    found = {(b.milliseconds <= 100 / 3, b.label) for rows in PHONES.values() for b in rows}
    assert found == {(True, "real time"), (False, "photo analysis"), (False, "typed text")}
    assert {b.milliseconds for b in PHONES["PE-Core-S16-384"]} == {33.3}
    assert {b.label for b in PHONES["PE-Core-B16-224"]} == {"photo analysis"}


def test_every_row_has_a_reason_and_names_an_iphone() -> None:
    assert all(each.reason and each.device.startswith("iPhone") for each in table().phones)
    assert all(each.reason for each in budgets().values())


def test_the_manifest_carries_the_budgets_to_the_phone() -> None:
    carried = json.loads(MANIFEST.read_text())["budgets"]
    assert carried == {model: [asdict(budget) for budget in PHONES[model]] for model in WITH_GOLDENS}


def test_the_last_row_for_a_case_and_a_device_counts() -> None:
    rows = (row("*", milliseconds=9), row("PE-Nano/pte/int8", milliseconds=4), row("PE-Nano", device="iPhone15,"))
    found = phone_budgets(rows)["PE-Nano"]
    assert [b.milliseconds for b in found if (b.target, b.precision, b.device) == ("pte", "int8", "iPhone")] == [4]
    assert {b.milliseconds for b in found if b.device == "iPhone" and b.precision != "int8"} == {9}
    assert {b.milliseconds for b in found if b.device == "iPhone15,"} == {1}


@pytest.mark.parametrize(
    "change",
    [{"milliseconds": 0}, {"milliseconds": float("inf")}, {"label": ""}, {"reason": None}, {"millisecond": 1}],
    ids=str,
)
def test_a_row_that_says_nothing_or_something_else_is_refused(change: dict[str, object]) -> None:
    read = TypeAdapter(Table).validate_python
    read({"ratios": {}, "phones": [ROW]})
    with pytest.raises(ValidationError):
        read({"ratios": {}, "phones": [ROW | change]})
