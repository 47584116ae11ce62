"""Suggest the name that a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

LIKENESS: Final = 0.75
"""The least likeness of a suggestion, as :mod:`difflib` measures it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'X'?" if a known name is like ``word``, whatever its capitals, else nothing."""
    by_folded = {name.casefold(): name for name in known}
    near = get_close_matches(word.casefold(), by_folded, n=1, cutoff=LIKENESS)
    return f" Did you mean '{by_folded[near[0]]}'?" if near else ""
