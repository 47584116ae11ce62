"""Compare outputs with outputs, in float64. Nothing is judged here."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import ConfigDict

from pe_validate.data.outputs import Outputs


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


def compare(reference: ArrayLike, actual: ArrayLike) -> Comparison:
    """Compare two feature tensors ``[..., dim]`` of the same shape.

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.
    """
    expected, found = np.asarray(reference, np.float64), np.asarray(actual, np.float64)
    if expected.shape != found.shape:
        raise ValueError(f"shapes {expected.shape} and {found.shape} cannot be compared")
    if expected.size == 0 or expected.ndim == 0:
        raise ValueError("there is nothing to compare")
    if not (np.isfinite(expected).all() and np.isfinite(found).all()):
        return Comparison(np.inf, np.inf, -np.inf, -1.0, finite=False)
    difference = found - expected
    max_abs = float(np.abs(difference).max())
    return Comparison(
        max_abs=max_abs,
        max_rel=_ratio(max_abs, float(expected.std())),
        snr_db=_decibel(_ratio(_norm(expected), _norm(difference))) if max_abs else np.inf,
        cosine=float(_cosine(expected, found).min()),
        finite=True,
    )


def compare_outputs(reference: Outputs, actual: Outputs) -> dict[str, Comparison]:
    """Compare the outputs for each input; return the comparisons by input name.

    Raises:
        ValueError: the two did not answer the same inputs, or answered in different shapes.
    """
    if reference.features.keys() != actual.features.keys():
        raise ValueError(f"{reference.producer} and {actual.producer} did not answer the same inputs")
    return {name: compare(value, actual.features[name]) for name, value in reference.features.items()}


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


def _norm(x: NDArray[np.float64]) -> float:
    """Return the Euclidean norm; scaling keeps the squares of huge and tiny values within float64's range."""
    largest = float(np.abs(x).max())
    return largest * float(np.sqrt(np.square(x / largest).sum())) if largest else 0.0


def _ratio(numerator: float, denominator: float) -> float:
    if denominator == 0:
        return np.inf if numerator else 0.0
    return float(np.divide(numerator, denominator))


def _decibel(amplitude: float) -> float:
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(amplitude))


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b = unit(a), unit(b)
    both_zero = ~a.any(axis=-1) & ~b.any(axis=-1)
    return np.where(both_zero, 1, (a * b).sum(axis=-1).clip(-1, 1))


def unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ``x`` with its vectors along the last axis scaled to length 1; zero vectors stay zero."""
    largest = np.abs(x).max(axis=-1, keepdims=True)
    x = np.divide(x, largest, out=np.zeros_like(x), where=largest > 0)
    length = np.sqrt(np.square(x).sum(axis=-1, keepdims=True))
    scaled: NDArray[np.float64] = np.divide(x, length, out=np.zeros_like(x), where=length > 0)
    return scaled
