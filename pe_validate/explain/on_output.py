"""Mistakes that are made with a model's output: what an artifact answers is a function of what it should answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.compare import unit

Array = NDArray[np.float64]
Change = Callable[[Array], Array]

CLOSE_TO_ONE: Final = 1e-6
"""A factor this close to 1 is no factor."""


@dataclass(frozen=True, slots=True)
class OnOutput:
    """A mistake with the output.

    ``fit`` is given what the model should answer to one input and what the artifact answers to it, both ``[…, dim]``.
    It returns the end of "it is the model …" and the function that makes one of the other, which is then held to other
    inputs; or None if there can be no such function.
    """

    name: str
    fit: Callable[[Array, Array], tuple[str, Change] | None]


def _plain(name: str, saying: str, change: Change) -> OnOutput:
    return OnOutput(name, lambda expected, found: (saying, change))


def _of_tokens(name: str, saying: str, change: Change) -> OnOutput:
    """A mistake with outputs ``[batch, tokens, dim]``."""
    return OnOutput(name, lambda expected, found: (saying, change) if expected.ndim == 3 else None)


def _scaled(expected: Array, found: Array) -> tuple[str, Change] | None:
    if expected.shape != found.shape or not np.square(expected).sum():
        return None
    factor = float((expected * found).sum() / np.square(expected).sum())
    if not factor or abs(factor - 1) < CLOSE_TO_ONE:
        return None
    return f"with its output multiplied by {factor:.4g}", lambda value: value * factor


def _moved(expected: Array, found: Array) -> tuple[str, Change] | None:
    if expected.shape != found.shape:
        return None
    offset = float((found - expected).mean())
    return f"with {offset:.4g} added to its output", lambda value: value + offset


def _permuted(expected: Array, found: Array) -> tuple[str, Change] | None:
    if expected.ndim != 3 or expected.shape != found.shape or expected.shape[1] < 2:
        return None
    order = (unit(found[0]) @ unit(expected[0]).T).argmax(axis=1)
    if len(set(order)) < len(order) or (order == np.arange(len(order))).all():
        return None
    return "with its tokens in another order", lambda value: value[:, order]


def _grid_transposed(expected: Array, found: Array) -> tuple[str, Change] | None:
    if expected.ndim != 3:
        return None
    side = int(expected.shape[1] ** 0.5)
    extra = expected.shape[1] - side * side  # tokens before the grid
    if side < 2 or extra > 1:
        return None

    def transposed(value: Array) -> Array:
        grid = value[:, extra:].reshape(len(value), side, side, -1).swapaxes(1, 2)
        return np.concatenate([value[:, :extra], grid.reshape(len(value), side * side, -1)], axis=1)

    return "with its tokens column by column", transposed


def _soft(value: Array) -> Array:
    raised = np.exp(value - value.max(axis=-1, keepdims=True))
    share: Array = raised / raised.sum(axis=-1, keepdims=True)
    return share


def _half(value: Array) -> Array:
    with np.errstate(over="ignore"):
        return value.astype(np.float16).astype(np.float64)


def _standard(value: Array) -> Array:
    centred = value - value.mean(axis=-1, keepdims=True)
    spread = centred.std(axis=-1, keepdims=True)
    standard: Array = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 0)
    return standard


def _turned(value: Array) -> Array:
    turned: Array = value.swapaxes(-1, -2).reshape(value.shape)
    return turned


ON_OUTPUT: Final[tuple[OnOutput, ...]] = (
    _plain("normalised output", "with its output scaled to length 1", unit),
    OnOutput("scaled output", _scaled),
    OnOutput("shifted output", _moved),
    _plain("standardised output", "with its output scaled to mean 0 and deviation 1", _standard),
    _plain("centred output", "with the mean taken from its output", lambda x: x - x.mean(axis=-1, keepdims=True)),
    _plain("softmax output", "with a softmax on its output", _soft),
    _plain("float16 output", "with its output rounded to float16", _half),
    _plain("reversed output", "with its output's values in reverse order", lambda x: x[..., ::-1]),
    _of_tokens("class token output", "giving the class token alone", lambda x: x[:, 0]),
    _of_tokens("class token output", "giving the class token alone", lambda x: x[:, :1]),
    _of_tokens("mean output", "giving the mean of its tokens", lambda x: x.mean(axis=1)),
    _of_tokens("mean output", "giving the mean of its tokens after the first", lambda x: x[:, 1:].mean(axis=1)),
    _of_tokens("class token dropped", "without its first token", lambda x: x[:, 1:]),
    _of_tokens("class token last", "with its first token last", lambda x: np.roll(x, -1, axis=1)),
    _of_tokens("transposed output", "with tokens and channels exchanged", lambda x: x.swapaxes(1, 2)),
    _of_tokens("transposed output", "with its values read column by column", _turned),
    OnOutput("transposed tokens", _grid_transposed),
    OnOutput("permuted tokens", _permuted),
)
"""Every mistake with an output."""
