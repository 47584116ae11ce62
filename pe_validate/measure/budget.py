"""How fast is fast enough: one table, ``budgets.toml``, every row with its reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from pe_validate.case import select
from pe_validate.data.latency import STRICT, Budget, PositiveNumber, Text
from pe_validate.targets.registry import target_of

TABLE: Final = Path(__file__).with_name("budgets.toml")


@dataclass(frozen=True, slots=True)
class PhoneRow:
    """Milliseconds for every case that a row names."""

    __pydantic_config__ = STRICT

    cases: tuple[Text, ...]
    device: Text
    milliseconds: PositiveNumber
    label: Text
    reason: Text


@dataclass(frozen=True, slots=True)
class PhoneBudget:
    """The most milliseconds that a warm inference of one model's ``target/precision`` may take on ``device``.

    ``device`` is ``iPhone``, or the beginning of a model identifier; ``label`` says what the model is good for then.
    """

    target: str
    precision: str
    device: str
    milliseconds: float
    label: str


@dataclass(frozen=True, slots=True)
class Table:
    """The whole of ``budgets.toml``."""

    __pydantic_config__ = STRICT

    ratios: dict[str, Budget]
    phones: tuple[PhoneRow, ...]


@cache
def table() -> Table:
    """Every row."""
    return TypeAdapter(Table).validate_python(tomllib.loads(TABLE.read_text(encoding="utf-8")))


def budgets() -> dict[str, Budget]:
    """Ratios on this machine, by ``target/precision``."""
    return table().ratios


def phone_budgets(rows: tuple[PhoneRow, ...]) -> dict[str, tuple[PhoneBudget, ...]]:
    """Milliseconds on phones, by model; of two rows for one case and device the last counts."""
    found: dict[str, dict[tuple[str, str, str], PhoneBudget]] = {}
    for row in rows:
        for case in select(row.cases):
            if target_of(case).on_phones:
                budget = PhoneBudget(case.target, case.precision, row.device, row.milliseconds, row.label)
                found.setdefault(case.model, {})[case.target, case.precision, row.device] = budget
    return {model: tuple(each.values()) for model, each in found.items()}
