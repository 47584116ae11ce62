"""How far is too far: one table, ``tolerances.toml``, every row with its reason and measured headroom."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal

from pydantic import ConfigDict, TypeAdapter

from pe_validate.case import Case
from pe_validate.targets.recipes import recipe
from pe_validate.tasks.retrieval import Agreement

TABLE: Final = Path(__file__).with_name("tolerances.toml")

Gate = Literal["rewrite", "gelu", "fidelity", "identity", "loss", "extremes", "batch", "backends", "parity"]
"""What an artifact's numbers are held to.

`rewrite`: not the artifact but the form of the model that is lowered, before anything is rounded, against the model;
its GELU is by erf, and `gelu` is what a polynomial in its place costs, for the style that has one.
`fidelity`: the very graph that was lowered. `identity`: the model's mathematics, for a file whose graph is
not known. `loss`: the float32 model a user trained, as the phone will compute it; `extremes` and `batch` are loss on
black and white images, and on several at once. `backends`: the same model in the other delegate of ExecuTorch.
`parity`: the same program on this machine's own CPU, for one that ran on arm64.
"""

LIKE_LOSS: Final = frozenset({"rewrite", "extremes", "batch"})


def of_rewrite(case: Case) -> tuple[Gate, ...]:
    """The gates on the form that is lowered, whose rows are those of its style."""
    return ("rewrite", "gelu") if recipe(case).style == "half" else ("rewrite",)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the numbers of a :class:`~pe_validate.data.comparison.Comparison`, or numbers measured for them."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")  # equal answers were measured, too

    max_rel: float
    snr_db: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """One row: what is allowed, why, and the worst that correct conversions were measured at."""

    limit: Limits
    measured: Limits
    reason: str


@dataclass(frozen=True, slots=True)
class AgreementTolerance:
    """The row of a `retrieval` gate: the least agreement of neighbours with the float32 model."""

    limit: Agreement
    measured: Agreement
    reason: str


@dataclass(frozen=True, slots=True)
class AccuracyTolerance:
    """The row of an `accuracy` gate: percentage points that may be lost against the float32 model."""

    limit: float
    measured: float
    reason: str


@dataclass(frozen=True, slots=True)
class Rows:
    """Every row of one target and precision."""

    loss: Tolerance
    fidelity: Tolerance | None = None
    identity: Tolerance | None = None
    form: Tolerance | None = None
    """Of identity, where it is known of which graph a float16 Core ML package was made."""
    gelu: Tolerance | None = None
    backends: Tolerance | None = None
    parity: Tolerance | None = None
    retrieval: AgreementTolerance | None = None
    accuracy: AccuracyTolerance | None = None


_Table = dict[str, dict[str, Rows]]


@cache
def table() -> _Table:
    """Every row, by target, or machine that computes otherwise, and precision."""
    return TypeAdapter(_Table).validate_python(tomllib.loads(TABLE.read_text(encoding="utf-8")))


def rows(case: Case) -> Rows:
    """Every row of a case. A case without any is a mistake in the table and raises ``KeyError``."""
    return table()[case.target][case.precision]


def tolerance(case: Case, gate: Gate, where: Sequence[str] = ()) -> Tolerance:
    """One row of a case: of the first machine in ``where`` that has one for its precision, or of its target.

    A case without it is a mistake in the table and raises ``KeyError``.
    """
    if gate in ("rewrite", "gelu"):
        found = table()["rewrite"][recipe(case).style]
    else:
        places = (table().get(name, {}) for name in where)
        found = next((place for place in places if case.precision in place), table()[case.target])[case.precision]
    row: Tolerance | None = getattr(found, "loss" if gate in LIKE_LOSS else gate)
    if row is None:
        raise KeyError(f"tolerances.toml has no row for {case} {gate}")
    return row
