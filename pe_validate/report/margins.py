"""Margins: how much of a limit is used, on one scale for every number, so that gates and cases can be compared.

The distance from perfection is divided by the distance that the limit allows: 0 is perfect, 1 is at the limit, more is
beyond it. All distances are amplitudes: decibels are turned into one, and a cosine into the angle that it stands for.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Final

from pe_validate.data.comparison import Comparison
from pe_validate.data.limits import Limits
from pe_validate.data.result import Result
from pe_validate.data.verdict import Verdict

MOST_DB: Final = 400.0
"""Decibels beyond which an amplitude is taken for zero or infinite."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The fraction of a limit that is used, the number that uses most of it, and where that is."""

    used: float
    number: str
    gate: str = ""
    input: str = ""


def margin(found: Comparison, limit: Limits, gate: str = "", name: str = "") -> Margin:
    """Return the worst of the three numbers of a comparison; infinite if a value is not finite."""
    if not found.finite:
        return Margin(inf, "not finite", gate, name)
    if found.max_abs == 0 and found.snr_db == inf:  # a cosine of the same vectors may be rounded
        return Margin(0.0, "SNR", gate, name)
    used = {
        "SNR": _amplitude(limit.snr_db - found.snr_db),
        "max |Δ|": _ratio(found.max_rel, limit.max_rel),
        "cosine": _ratio(_angle(found.cosine), _angle(limit.cosine)),
    }
    worst = max(used, key=lambda number: used[number])
    return Margin(used[worst], worst, gate, name)


def by_input(verdict: Verdict) -> dict[str, Margin]:
    """Return the margin of every input of a gate that compares numbers; none for another gate."""
    if verdict.tolerance is None:
        return {}
    limit = verdict.tolerance.limit
    return {name: margin(found, limit, verdict.gate, name) for name, found in (verdict.comparisons or {}).items()}


def of_gate(verdict: Verdict) -> Margin | None:
    """Return the worst margin of a gate; None if it compares no numbers."""
    return max(by_input(verdict).values(), key=lambda each: each.used, default=None)


def of_case(result: Result) -> Margin | None:
    """Return the worst margin of a case; None if none of its gates compares numbers."""
    found = (of_gate(verdict) for verdict in result.verdicts)
    return max(filter(None, found), key=lambda each: each.used, default=None)


def in_words(used: float) -> str:
    """Return a fraction in a few characters."""
    if used == 0:
        return "equal"
    if used < 0.001:
        return "<0.001"
    if used < 0.1:
        return f"{used:.3f}"
    if used < 10:
        return f"{used:.2f}"
    return f"{used:.0f}" if used < 1e5 else ">1e5" if isfinite(used) else "∞"


def _ratio(found: float, allowed: float) -> float:
    """Return ``found / allowed``: 0 if nothing was found, infinite if something was and nothing is allowed."""
    if not found > 0:
        return 0.0 if found <= 0 else inf
    return min(found / allowed, inf) if allowed > 0 and isfinite(found) else inf


def _angle(cosine: float) -> float:
    """Return the length of the chord between unit vectors: of a small angle, the angle in radians."""
    return sqrt(2 * max(1 - cosine, 0.0)) if cosine == cosine else inf


def _amplitude(decibels: float) -> float:
    if not decibels > -MOST_DB:
        return 0.0 if decibels <= -MOST_DB else inf
    return float(10 ** (decibels / 20)) if decibels < MOST_DB else inf
