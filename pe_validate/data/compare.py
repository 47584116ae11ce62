"""Compare outputs with outputs, in float64. Nothing is judged here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pe_validate.data.comparison import Comparison
from pe_validate.data.outputs import Array, Outputs


def compare(reference: ArrayLike, actual: ArrayLike) -> Comparison:
    """Compare two feature tensors ``[..., dim]`` of the same shape.

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.
    """
    expected, found = np.asarray(reference, np.float64), np.asarray(actual, np.float64)
    if expected.ndim == found.ndim == 0:
        expected, found = expected[None], found[None]
    if expected.shape != found.shape:
        raise ValueError(f"shapes {expected.shape} and {found.shape} cannot be compared")
    if expected.size == 0:
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


def up_to_rounding(reference: Outputs, rounded: Outputs) -> Outputs:
    """Return a reference without what rounding to float16 can have taken from ``rounded``.

    A number in float16 stands for all those that round to it. Where the reference is one of them, it becomes that
    number; elsewhere it keeps its distance to the nearest of them. So no other limit is needed than for float32.
    """
    found = {name: _beyond(value, rounded.features[name]) for name, value in reference.features.items()}
    return replace(reference, features=found)


def _beyond(expected: Array, rounded: Array) -> Array:
    if rounded.shape != expected.shape or not np.isfinite(rounded).all():
        return expected
    half = rounded.astype(np.float16)
    with np.errstate(over="ignore"):  # beyond the largest number
        ends = [np.nextafter(half, np.float16(end)).astype(np.float64) for end in (np.inf, -np.inf)]
    value = half.astype(np.float64)
    above, below = (np.where(np.isinf(end), value + np.sign(end) * 32, end) for end in ends)
    nearest = expected.astype(np.float64).clip((value + below) / 2, (value + above) / 2)
    moved: Array = (value + (expected - nearest)).astype(np.float32)
    return moved


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
