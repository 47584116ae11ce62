"""Progress of long work."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Final

from pe_validate.data.case import Case

Progress = Callable[[Case, str], None]
"""A function that is called with the case and the name of each stage that it enters."""


class Note(str):
    """What a stage found that should stay in sight: it is given in place of the stage's name."""

    __slots__ = ()


def quiet(case: Case, stage: str) -> None:
    """Ignore progress."""


Counted = Callable[[int, int], None]
"""A function that is called with the number of inputs that are done and the number of all."""

EVERY: Final = 5.0
"""Seconds after which a stage says how far it is."""


def uncounted(done: int, total: int) -> None:
    """Ignore how many inputs are done."""


def counting(progress: Progress, case: Case, stage: str, unit: str = "inputs") -> Counted:
    """Return a function that says how far a stage is and how long it still takes; a short stage says nothing."""
    began = said = monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal began, said
        now = monotonic()
        if done == 0:  # it begins
            began = said = now
        elif now >= said + EVERY:
            said = now
            left = (now - began) / done * (total - done)
            progress(case, f"{stage}, {done} of {total} {unit}, {in_words(left)} left")

    return tell


def in_words(seconds: float) -> str:
    """Return a duration in a unit that leaves few digits."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
