"""What a tokenizer on a phone must know of characters, as this machine's Python and ``tokenizers`` know it.

Versions of Unicode differ between phones, and from Python's. Tables travel with the tokenizer, so that its ids depend
on none of them. A set of characters is the first and last of each of its ranges; a map has a row for each character
that it changes, followed by what it becomes.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

Ranges = list[int]
Rows = list[list[int]]

SURROGATES: Final = range(0xD800, 0xE000)
HANGUL: Final = range(0xAC00, 0xD7A4)
"""Syllables, which are composed by arithmetic."""

BLOCK: Final = 256
"""Characters that are looked at together where few of them are changed."""


@cache
def scalars() -> str:
    """Return every character that UTF-8 can hold, in order."""
    return "".join(chr(code) for code in range(sys.maxunicode + 1) if code not in SURROGATES)


def ranges(codes: Iterable[int]) -> Ranges:
    """Return the first and the last of each run of codes."""
    found: Ranges = []
    for code in sorted(set(codes)):
        if found and code == found[-1] + 1:
            found[-1] = code
        else:
            found += (code, code)
    return found


def complement(inside: Ranges) -> Ranges:
    """Return the ranges of all other codes."""
    firsts = [0, *(last + 1 for last in inside[1::2])]
    lasts = [*(first - 1 for first in inside[::2]), sys.maxunicode]
    return [edge for pair in zip(firsts, lasts, strict=True) if pair[0] <= pair[1] for edge in pair]


def matched(pattern: str) -> Ranges:
    """Return the characters that a class of ``re`` holds."""
    return ranges(ord(each) for run in re.findall(f"{pattern}+", scalars()) for each in run)


def matched_by_tokenizers(pattern: str) -> Ranges:
    """Return the characters that a class of the library ``tokenizers`` holds."""
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    split = Split(Regex(f"{pattern}+"), behavior="removed", invert=True)
    return ranges(ord(each) for run, _ in split.pre_tokenize_str(scalars()) for each in run)


def changed(change: Callable[[str], str]) -> Rows:
    """Return what a function makes of each character that it changes; it looks at none beside it."""
    return [[ord(each), *map(ord, change(each))] for each in _suspects(change) if change(each) != each]


def _suspects(change: Callable[[str], str]) -> Iterator[str]:
    for start in range(0, len(scalars()), BLOCK):
        block = scalars()[start : start + BLOCK]
        if change(block) != block:
            yield from block


def cases() -> dict[str, object]:
    """Return how ``str.lower`` works: what becomes of each character, and what tells that a sigma ends a word."""
    ends = [each for each in scalars() if f"{each}Σ".lower()[-1] == "ς"]
    passed = [each for each in scalars() if f"a{each}Σ".lower()[-1] == "ς"]
    return {
        "lower": [[ord(each), *map(ord, each.lower())] for each in scalars() if each.lower() != each],
        "cased": ranges(map(ord, ends)),
        "ignorable": ranges(map(ord, set(passed) - set(ends))),
    }


def normal_form() -> dict[str, object]:
    """Return what Unicode's normal form C needs: combining classes, decompositions, and compositions of two."""
    classes = [[ord(each), unicodedata.combining(each)] for each in scalars() if unicodedata.combining(each)]
    apart = ((each, unicodedata.normalize("NFD", each)) for each in scalars() if ord(each) not in HANGUL)
    return {
        "classes": classes,
        "decompositions": [[ord(each), *map(ord, parts)] for each, parts in apart if parts != each],
        "compositions": [[*parts, ord(each)] for each in scalars() if (parts := _parts(each))],
    }


def _parts(character: str) -> tuple[int, ...]:
    """Return the two characters that are composed to this one, if there are."""
    written = unicodedata.decomposition(character).split()
    parts = tuple(int(each, 16) for each in written if not each.startswith("<"))
    composed = len(written) == len(parts) == 2 and unicodedata.normalize("NFC", character) == character
    return parts if composed else ()
