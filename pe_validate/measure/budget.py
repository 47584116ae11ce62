"""How fast is fast enough: one table, ``budgets.toml``, every row with its reason."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field, TypeAdapter

from pe_validate.case import ON_PHONES, select

TABLE: Final = Path(__file__).with_name("budgets.toml")

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
_STRICT: Final = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Budget:
    """The largest ratio to ONNX Runtime that a program may take, and why."""

    __pydantic_config__ = _STRICT

    ratio: Positive
    reason: Text


@dataclass(frozen=True, slots=True)
class PhoneRow:
    """Milliseconds for every case that a row names."""

    __pydantic_config__ = _STRICT

    cases: tuple[Text, ...]
    device: Text
    milliseconds: Positive
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

    __pydantic_config__ = _STRICT

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
            if case.target in ON_PHONES:
                budget = PhoneBudget(case.target, case.precision, row.device, row.milliseconds, row.label)
                found.setdefault(case.model, {})[case.target, case.precision, row.device] = budget
    return {model: tuple(each.values()) for model, each in found.items()}
