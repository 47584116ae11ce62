"""Budgets for latency: one table, ``budgets.toml``, in which every row has its reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pe_validate.case import select
from pe_validate.data.latency import STRICT, Budget, PositiveNumber, Text
from pe_validate.data.schema import schema
from pe_validate.targets.registry import target_of

TABLE: Final = Path(__file__).with_name("budgets.toml")


@dataclass(frozen=True, slots=True)
class PhoneRow:
    """A row of the table: milliseconds on a device for every case that it names."""

    __pydantic_config__ = STRICT

    cases: tuple[Text, ...]
    device: Text
    milliseconds: PositiveNumber
    label: Text
    reason: Text


@dataclass(frozen=True, slots=True)
class PhoneBudget:
    """The most milliseconds that a warm inference in one target and precision may take on ``device``.

    ``device`` is ``iPhone``, or the beginning of a model identifier; ``label`` says what the model can be used for
    within the budget.
    """

    target: str
    precision: str
    device: str
    milliseconds: float
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    """The contents of ``budgets.toml``."""

    __pydantic_config__ = STRICT

    ratios: dict[str, Budget]
    phones: tuple[PhoneRow, ...]


@cache
def table() -> Table:
    """Return the contents of ``budgets.toml``."""
    return schema(Table).validate_python(tomllib.loads(TABLE.read_text(encoding="utf-8")))


def budgets() -> dict[str, Budget]:
    """Return the budgets for ratios on this machine, by ``target/precision``."""
    return table().ratios


def phone_budgets(rows: tuple[PhoneRow, ...]) -> dict[str, tuple[PhoneBudget, ...]]:
    """Return the budgets on phones, by model; the last of two rows for the same case and device counts."""
    found: dict[str, dict[tuple[str, str, str], PhoneBudget]] = {}
    for row in rows:
        for case in select(row.cases):
            if target_of(case).on_phones:
                budget = PhoneBudget(case.target, case.precision, row.device, row.milliseconds, row.label)
                found.setdefault(case.model, {})[case.target, case.precision, row.device] = budget
    return {model: tuple(each.values()) for model, each in found.items()}
