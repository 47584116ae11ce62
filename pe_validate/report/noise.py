"""Which numbers of a gate have moved further from one report to the next than chance moves them.

Repeats of one artifact on one machine with the same tools are bit-identical, so there any move counts. Otherwise sums
are done in another order, and a number may move by a share of the room that its row of limits leaves a correct
conversion: the distance in dB from what was measured to the limit. What is better than measured by
:data:`USUAL_ROOM_DB` is as good as equal there.

With PyTorch confined to its plain kernels, PE-Nano moved by up to 2.2 dB of SNR in float32 (room 10 to 13), by 1.1 in
int8 (room 6), and by 4.9 dB in the largest difference, which hangs on one value: it has twice the share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, isnan, log10
from typing import Final

from pe_validate.data.comparison import Comparison
from pe_validate.data.limits import Limits, Tolerance
from pe_validate.data.verdict import Verdict

USUAL_ROOM_DB: Final = 9.0
"""The room, in dB, where a row says nothing of what was measured: a factor of three, as floating-point rows have."""

SHARE_OF_INPUTS: Final = 0.005
"""Fraction of nearest neighbours, or of recognised images, that may come or go: half a point."""

ROUNDING: Final = 1e-12
"""The distance of a cosine from 1 below which it is rounding of float64."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a comparison: the error that it stands for in dB, whether it rises with it, and how it is shown.

    ``share`` is the fraction of the room between what was measured and the limit by which it may move.
    """

    name: str
    of: Callable[[Comparison | Limits], float]
    error_db: Callable[[float], float]
    rises: bool
    share: float
    style: str

    def show(self, value: float) -> str:
        """Return the number with its unit."""
        return self.style.format(value)


NUMBERS: Final = (
    Number("SNR", lambda c: c.snr_db, lambda value: -value, False, 0.25, "{:.1f} dB"),
    Number("max |Δ|", lambda c: c.max_rel, lambda value: 2 * _decibels(value), True, 0.5, "{:.3g} σ"),
    Number("cosine", lambda c: c.cosine, lambda value: _decibels(max(1 - value, ROUNDING)), False, 0.25, "{:.7g}"),
)


@dataclass(frozen=True, slots=True)
class Move:
    """A number that has moved further than chance moves it."""

    name: str
    base: str
    head: str
    worse: bool
    why: str


def moves(base: Verdict, head: Verdict, *, exact: bool) -> list[Move]:
    """Return what has moved of one gate; ``exact`` if a repeat gives the same bits."""
    found = list(_of_tasks(base, head, exact))
    row = base.tolerance or head.tolerance
    if base.worst and head.worst and (row or exact):
        for number in NUMBERS:
            room = BIT_IDENTICAL if exact or row is None else room_of(number, row)
            if move := _moved(number, number.of(base.worst), number.of(head.worst), room):
                found.append(move)
    if exact and not found and base.comparisons and head.comparisons and base.comparisons != head.comparisons:
        apart = [name for name, c in head.comparisons.items() if not _same(c, base.comparisons.get(name))]
        if apart:
            named = f"'{apart[0]}'" + f" and {len(apart) - 1} more" * (len(apart) > 1)
            found.append(Move(named, "–", "–", True, "other numbers, the worst are the same"))
    return found


@dataclass(frozen=True, slots=True)
class Room:
    """By how many dB a number may move, and the error in dB below which none is told from another."""

    db: float
    least_db: float = -inf


BIT_IDENTICAL: Final = Room(-1.0)
"""None: any move counts, however small."""


def room_of(number: Number, row: Tolerance) -> Room:
    """Return the room of a number where a repeat need not give the same bits."""
    measured, limit = (number.error_db(number.of(limits)) for limits in (row.measured, row.limit))
    if measured == limit:
        return Room(number.share * USUAL_ROOM_DB)
    if not isfinite(limit - measured):
        return Room(0.0)  # what was measured as equal stays equal
    return Room(max(0.0, number.share * (limit - measured)), measured - USUAL_ROOM_DB)


def _moved(number: Number, before: float, after: float, room: Room) -> Move | None:
    if before == after or (isnan(before) and isnan(after)):
        return None
    errors = [max(number.error_db(value), room.least_db) for value in (before, after)]
    by = errors[1] - errors[0] if errors[0] != errors[1] else 0.0
    if abs(by) <= room.db:
        return None
    worse = by > 0 if abs(by) > 0 else (after > before) == number.rises
    shown = number.show(before), number.show(after)
    if shown[0] == shown[1]:  # no digit that is shown tells them apart
        shown = repr(before), repr(after)
    words = f"{abs(by):.2g} dB {'worse' if worse else 'better'}" if isfinite(by) else _beyond(errors)
    allowed = "a repeat is bit-identical" if room is BIT_IDENTICAL else f"{room.db:.2g} dB may be noise"
    return Move(number.name, *shown, worse, f"{words}, {allowed}")


def _beyond(errors: list[float]) -> str:
    """Return a move from or to what is equal, or is no number, in words."""
    if errors[0] == -inf:
        return "equal before"
    return "equal now" if errors[1] == -inf else "not finite"


def _of_tasks(base: Verdict, head: Verdict, exact: bool) -> list[Move]:
    """Return what has moved of neighbours and of recognised images."""
    pairs = []
    if base.agreement and head.agreement:
        pairs += [(f"{name} agreement", getattr(base.agreement, name), getattr(head.agreement, name)) for name in _TOP]
    if base.accuracy and head.accuracy:
        pairs += [("top-1 accuracy", base.accuracy.top1, head.accuracy.top1)]
    room = 0.0 if exact else SHARE_OF_INPUTS
    return [
        Move(name, f"{before:.2%}", f"{after:.2%}", after < before, f"{100 * (after - before):+.2g} points")
        for name, before, after in pairs
        if abs(after - before) > room
    ]


_TOP: Final = ("top1", "top5")


def _same(one: Comparison, other: Comparison | None) -> bool:
    return other is not None and repr(one) == repr(other)  # NaN is not equal to itself


def _decibels(ratio: float) -> float:
    if isnan(ratio):
        return inf
    return 10 * log10(ratio) if 0 < ratio < inf else (inf if ratio > 0 else -inf)
