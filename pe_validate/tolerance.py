"""How far is too far: one table, ``tolerances.toml``, every row with its reason and measured headroom."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

from pe_validate.case import Case

TABLE: Final = Path(__file__).with_name("tolerances.toml")

Gate = Literal["fidelity", "identity", "loss"]
"""What an artifact is held to.

`fidelity`: the very graph that was lowered. `identity`: the model's mathematics, for a file whose graph is
not known. `loss`: the float32 model a user trained, as the phone will compute it.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the numbers of a :class:`~pe_validate.compare.Comparison`, or numbers measured for them."""

    max_rel: float
    snr_db: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """One row: what is allowed, why, and the worst that correct conversions were measured at."""

    limit: Limits
    measured: Limits
    reason: str


_Table = dict[str, dict[str, dict[Gate, Tolerance]]]


@cache
def table() -> _Table:
    """Every row, by target, precision and gate."""
    return TypeAdapter(_Table).validate_python(tomllib.loads(TABLE.read_text(encoding="utf-8")))


def tolerance(case: Case, gate: Gate) -> Tolerance:
    """The row of a case. A case without one is a mistake in the table and raises ``KeyError``."""
    return table()[case.target][case.precision][gate]
