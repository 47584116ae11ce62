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


def counting(progress: Progress, case: Case, stage: str) -> Counted:
    """Return a function that says how far a stage is, every few seconds; a short stage says nothing."""
    said = monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal said
        if done == 0:  # it begins
            said = monotonic()
        elif monotonic() >= said + EVERY:
            said = monotonic()
            progress(case, f"{stage}, {done} of {total} inputs")

    return tell
