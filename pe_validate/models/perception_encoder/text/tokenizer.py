"""CLIP's tokenizer: text is cleaned as Meta's code does, and encoded by byte pairs with a library.

Source: ``core/vision_encoder/tokenizer.py`` of facebookresearch/perception_models, for how it is cleaned and cut.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, START_OF_TEXT
from pe_validate.models.perception_encoder.text.feed import reference_lines
from pe_validate.models.perception_encoder.text.published import merges
from pe_validate.system.errors import SetupError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL: Final = ("<start_of_text>", "<end_of_text>")
END_OF_WORD: Final = "</w>"
WORDS: Final = r"<start_of_text>|<end_of_text>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""What a word is: a contraction, letters, one digit, or other signs."""

ESCAPED: Final = ("<i>salt &amp;amp; pepper</i>", "<i>salt & pepper</i>")
"""A text that was escaped twice, in which ftfy takes the entities for meant because there are tags, and its meaning."""


def cleaned(text: str) -> str:
    """Return text with its encoding mended, HTML unescaped, white space collapsed, and in lower case."""
    import ftfy

    text = html.unescape(html.unescape(ftfy.fix_text(text))).strip()
    return " ".join(text.split()).strip().lower()


def tokenized(texts: Sequence[str], context: int) -> NDArray[np.int32]:
    """Return the ids of texts, ``[texts, context]``: start, words, end, then 0; what is too long is cut before the end.

    Raises:
        SetupError: the vocabulary cannot be had.
    """
    found = np.zeros((len(texts), context), np.int32)
    for row, ids in zip(found, encoded(texts), strict=True):
        whole = [START_OF_TEXT, *ids, END_OF_TEXT][:context]
        whole[-1] = END_OF_TEXT
        row[: len(whole)] = whole
    return found


def check_tokenizer() -> None:
    """Check that the reference lines get the ids that Meta's tokenizer gives them, and ESCAPED those of its meaning.

    Raises:
        SetupError: another version of a library cleans text or finds words in another way.
    """
    expected = reference_lines()
    context = len(next(iter(expected.values())))
    written, meant = ESCAPED
    expected[written] = tokenized([meant], context)[0].tolist()
    found = tokenized(list(expected), context)
    other = [line for line, ids in zip(expected, found, strict=True) if ids.tolist() != expected[line]]
    if other:
        libraries = " and ".join(f"{name} {version(name)}" for name in ("ftfy", "tokenizers"))
        raise SetupError(
            f"{len(other)} of {len(expected)} lines get other token ids than from Meta's tokenizer, {other[0]!r} the "
            f"first of them: {libraries} clean or split text otherwise; install those of requirements.lock."
        )


def encoded(texts: Sequence[str]) -> list[list[int]]:
    """Return the ids of texts, without start and end."""
    return [each.ids for each in _tokenizer().encode_batch([cleaned(text) for text in texts], add_special_tokens=False)]


def decoded(ids: Sequence[int]) -> str:
    """Return the words of ids up to the end of text, each followed by a space."""
    names = {number: name for name, number in vocabulary().items()}
    letters = {letter: byte for byte, letter in byte_letters().items()} | {" ": ord(" ")}
    words = [names[number] for number in takewhile(lambda number: number != END_OF_TEXT, ids) if number < START_OF_TEXT]
    return bytes(letters[each] for each in "".join(words).replace(END_OF_WORD, " ")).decode(errors="replace")


@cache
def byte_letters() -> dict[int, str]:
    """Return the letter that stands for each byte: itself if it can be seen, else one beyond the 256 first."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    unseen = [byte for byte in range(256) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {byte: chr(256 + place) for place, byte in enumerate(unseen)}


@cache
def vocabulary() -> dict[str, int]:
    """Return the id of every token: bytes, bytes at the end of a word, merges, start and end."""
    letters = list(byte_letters().values())
    names = [*letters, *(f"{letter}{END_OF_WORD}" for letter in letters), *map("".join, merges()), *SPECIAL]
    return {name: number for number, name in enumerate(names)}


@cache
def _tokenizer() -> Tokenizer:
    from tokenizers import Regex, Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel, Split
    from tokenizers.pre_tokenizers import Sequence as InTurn

    made = Tokenizer(BPE(vocabulary(), list(merges()), end_of_word_suffix=END_OF_WORD))
    words = Split(Regex(WORDS), behavior="removed", invert=True)
    made.pre_tokenizer = InTurn([words, ByteLevel(add_prefix_space=False, use_regex=False)])
    return made
