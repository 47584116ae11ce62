"""CLIP's tokenizer as a file for a phone: all that ``Tokenizer.swift`` needs and that is data, in one JSON object."""

from __future__ import annotations

import json
import unicodedata
from importlib.metadata import distribution, version
from typing import Final

from pe_validate.models.perception_encoder.text.characters import cases, matched, matched_by_tokenizers, normal_form
from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, START_OF_TEXT
from pe_validate.models.perception_encoder.text.mending import entities, mended_characters, mojibake
from pe_validate.models.perception_encoder.text.published import WHEEL, licence, merges
from pe_validate.models.perception_encoder.text.tokenizer import (
    END_OF_WORD,
    WORDS,
    byte_letters,
    check_tokenizer,
    vocabulary,
)
from pe_validate.system.errors import SetupError

FORMAT: Final = 1
"""Of the file; ``TokenizerFile.swift`` reads no other."""

TOKENIZER: Final = "tokenizer.json"
LICENCE: Final = "tokenizer-LICENSE.txt"


def tokenizer_files() -> dict[str, bytes]:
    """Return the tokenizer and the licences of what is in it, by the names of their files.

    Raises:
        SetupError: the vocabulary cannot be had, or a library gives the reference lines other ids than Meta's.
    """
    check_tokenizer()
    return {LICENCE: _licences(), TOKENIZER: tokenizer_file()}


def tokenizer_file() -> bytes:
    """Return the tokenizer: vocabulary, what a word is, and how text is cleaned by the libraries that are installed.

    Raises:
        SetupError: the vocabulary cannot be had, or this version of ftfy cannot be written for a phone.
    """
    ids = vocabulary()
    letters = byte_letters()
    *fixed, many_letters, one_number, _ = WORDS.split("|")
    made = {
        "format": FORMAT,
        "made_with": {name: version(name) for name in ("ftfy", "tokenizers")}
        | {"unicode": unicodedata.unidata_version},
        "start": START_OF_TEXT,
        "end": END_OF_TEXT,
        "bytes": [ids[letters[byte]] for byte in range(256)],
        "last_bytes": [ids[f"{letters[byte]}{END_OF_WORD}"] for byte in range(256)],
        "merges": [ids[part] for pair in merges() for part in pair],
        "first_merged": ids["".join(merges()[0])],
        "words": fixed,
        "letters": matched_by_tokenizers(many_letters.removesuffix("+")),
        "numbers": matched_by_tokenizers(one_number),
        "spaces": matched_by_tokenizers(r"\s"),
        "blanks": matched(r"\s"),
        "cases": cases(),
        "normal_form": normal_form(),
        "mended": mended_characters(),
        "entities": entities(),
        "mojibake": mojibake(),
    }
    return json.dumps(made, separators=(",", ":")).encode() + b"\n"


def _licences() -> bytes:
    """Return the licence of the vocabulary, and that of ftfy, whose tables of mojibake are in the file.

    Raises:
        SetupError: one cannot be had.
    """
    library = distribution("ftfy")
    texts = [file.read_text(encoding="utf-8") for file in library.files or () if "licenses" in file.parts]
    if not texts:
        raise SetupError(f"ftfy {library.version} is installed without its licence: install it anew from its wheel.")
    heads = (f"The vocabulary, of {WHEEL}", f"The tables of mojibake, of ftfy {library.version}")
    parts = zip(heads, (licence(), "\n".join(texts)), strict=True)
    return "\n\n".join(f"{head}:\n\n{text.strip()}\n" for head, text in parts).encode()
