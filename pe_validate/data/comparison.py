"""How far outputs are from other outputs: plain numbers, see :mod:`pe_validate.data.compare`."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict


@dataclass(frozen=True, slots=True)
class Comparison:
    """The distance of ``actual`` from ``reference``.

    ``max_abs``
        the largest absolute difference.
    ``max_rel``
        ``max_abs`` divided by the standard deviation of the reference; 0 when both are 0.
    ``snr_db``
        the signal-to-noise ratio, 10 log10 (Σ reference² / Σ difference²), in dB; +∞ when the two are equal.
    ``cosine``
        the smallest cosine similarity of any token, taken along the last axis; 1 for two zero vectors, 0 when only
        one of them is zero.
    ``finite``
        whether both sides are free of NaN and infinity. If not, the four numbers are the worst possible: ∞, ∞, -∞
        and -1.
    """

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")

    max_abs: float
    max_rel: float
    snr_db: float
    cosine: float
    finite: bool


def worst(comparisons: list[Comparison]) -> Comparison:
    """Return the worst of each number over several comparisons.

    Raises:
        ValueError: there are none.
    """
    return Comparison(
        max_abs=max(c.max_abs for c in comparisons),
        max_rel=max(c.max_rel for c in comparisons),
        snr_db=min(c.snr_db for c in comparisons),
        cosine=min(c.cosine for c in comparisons),
        finite=all(c.finite for c in comparisons),
    )
