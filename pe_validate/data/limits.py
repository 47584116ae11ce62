"""Rows of limits: what is allowed, why, and the worst that correct conversions were measured at."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from pe_validate.data.tasks import Agreement


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the numbers of a :class:`~pe_validate.data.comparison.Comparison`, or numbers measured for them."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")  # equal answers were measured, too

    max_rel: float
    snr_db: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The row of a gate that compares features."""

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
