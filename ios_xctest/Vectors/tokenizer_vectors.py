"""Texts that a tokenizer on a phone is held to: the reference lines with Meta's ids, and many with Python's."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from pe_validate.models.perception_encoder.text.config import END_OF_TEXT
from pe_validate.models.perception_encoder.text.feed import reference_lines
from pe_validate.models.perception_encoder.text.tokenizer import tokenized

CONTEXT: Final = 32
"""Ids of a text tower."""

NOTE: Final = (
    "Made by make_vectors.py. 'ids' are what a text becomes for a context of 'context' ids, up to the end of text and "
    "without the padding. Those of 'reference' are of Meta's own tokenizer, those of 'python' of this project's."
)
TEXTS: Final[dict[str, list[str]]] = json.loads((Path(__file__).parent / "tokenizer_texts.json").read_text("ascii"))
"""What was thought of, by what it is for."""

MISREAD: Final = ("latin-1", "cp1252", "cp1251", "mac-roman", "cp437")
"""Encodings in which UTF-8 is read by mistake."""

OTHER_CONTEXTS: Final = {1: "cat", 2: "cat", 3: "cat dog", 4: "cat", 77: "cat " * 40, 512: "\u732b " * 300}


def texts() -> list[str]:
    """Return all texts but the reference's, each once."""
    found = [*(text for group in TEXTS.values() for text in group), *misread(), *of_each_category()]
    return [text for text in dict.fromkeys(found) if text not in reference_lines()]


def misread() -> Iterator[str]:
    """Yield what was meant, in UTF-8 that was read in another encoding, that twice, and beside what was read well."""
    for text in TEXTS["meant"]:
        content = text.encode()
        yield from (content.decode(name) for name in MISREAD if _is_read(content, name))
        yield f"a {content.decode('latin-1').encode().decode('latin-1')}"
        yield f"{text} and {content.decode('latin-1')}"


def _is_read(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def of_each_category() -> Iterator[str]:
    """Yield texts with characters of each general category, as Unicode 3.2 has them: that never changes."""
    codes = [code for code in range(0x110000) if _category(code) not in ("Cs", "Cn", "Co")]
    for _, group in groupby(sorted(codes, key=_category), key=_category):
        members = [chr(code) for code in group]
        few = members[:: max(1, len(members) // 4)][:4]
        yield f"a{few[0]}b{few[-1]} c"
        yield " ".join(few)
        yield f"7{''.join(few)}'s"


def _category(code: int) -> str:
    return unicodedata.ucd_3_2_0.category(chr(code))


def tokenizer_vectors() -> bytes:
    """The file of texts with their ids, one on each line."""
    reference = [_vector(text, CONTEXT, ids) for text, ids in reference_lines().items()]
    found = tokenized(texts(), CONTEXT).tolist()
    python = [_vector(text, CONTEXT, ids) for text, ids in zip(texts(), found, strict=True)]
    for context, text in OTHER_CONTEXTS.items():
        python.append(_vector(text, context, tokenized([text], context)[0].tolist()))
    groups = [
        f'"{name}": [\n  {lines}\n ]'
        for name, vectors in (("reference", reference), ("python", python))
        for lines in (",\n  ".join(vectors),)
    ]
    return "{{\n {}\n}}\n".format(",\n ".join([f'"note": {json.dumps(NOTE)}', *groups])).encode()


def _vector(text: str, context: int, ids: list[int]) -> str:
    return json.dumps({"text": text, "context": context, "ids": ids[: ids.index(END_OF_TEXT) + 1]})
