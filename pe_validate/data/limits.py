"""Rows of limits: what is allowed, why, and the worst value measured for a correct conversion."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from pe_validate.data.tasks import Agreement


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the numbers of a :class:`~pe_validate.data.comparison.Comparison`, or the numbers measured."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")  # equal outputs measure as infinite dB

    max_rel: float
    snr_db: float
    cosine: float


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A row of limits for a gate that compares features."""

    limit: Limits
    measured: Limits
    reason: str


@dataclass(frozen=True, slots=True)
class Pieces:
    """The delegate calls of a program, and the operators outside them, that are accepted of a model."""

    calls: int
    outside: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class AgreementTolerance:
    """A row of limits for the `retrieval` gate: the least agreement with the neighbours that float32 finds."""

    limit: Agreement
    measured: Agreement
    reason: str


@dataclass(frozen=True, slots=True)
class AccuracyTolerance:
    """A row of limits for the `accuracy` gate: percentage points that may be lost against the float32 model."""

    limit: float
    measured: float
    reason: str
