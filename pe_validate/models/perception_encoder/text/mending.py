"""What a tokenizer on a phone must know to mend text as the installed ftfy does: its tables, read from the library.

A pattern is a list of alternatives, each a list of sets of characters that follow one another; an empty set is the
start of the text. ftfy's patterns are of no other form once their branches and repetitions are written out.
"""

from __future__ import annotations

import html
import importlib
import re
from collections.abc import Iterable
from html.entities import html5
from importlib.metadata import version
from itertools import chain, product
from typing import Any, Final

from pe_validate.models.perception_encoder.text.characters import Ranges, changed, complement, matched, ranges
from pe_validate.system.errors import SetupError

Sets = list[Ranges]
Pattern = list[Sets]

CLASSES: Final = {"CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}
"""What the parser of ``re`` calls the classes that ftfy uses."""


def mended_characters() -> dict[str, object]:
    """Return what ftfy puts in the place of single characters, in the order of its steps, and what it removes."""
    from ftfy import fixes

    steps = (
        fixes.fix_c1_controls,
        fixes.fix_latin_ligatures,
        fixes.fix_character_width,
        fixes.uncurl_quotes,
        fixes.fix_line_breaks,
    )

    def replaced(text: str) -> str:
        for step in steps:
            text = step(text)
        return text

    return {
        "replaced": changed(replaced),
        "removed": ranges(row[0] for row in changed(fixes.remove_control_chars)),
        "decimals": matched(r"\d"),
    }


def entities() -> dict[str, object]:
    """Return HTML's entities by name, those that ftfy knows in capitals, and numbers that stand for something else."""
    from ftfy.chardata import HTML_ENTITIES

    names = {name.removeprefix("&"): text for name, text in HTML_ENTITIES.items()}

    def referred(text: str) -> str:
        return html.unescape("".join(f"&#{ord(each)};" for each in text))

    return {
        "named": html5,
        "capitals": {name: text for name, text in names.items() if name not in html5},
        "references": changed(referred),
    }


def mojibake() -> dict[str, object]:
    """Return the signs of mojibake, and the encodings in which UTF-8 may have been read.

    Raises:
        SetupError: this version of ftfy has a pattern of another form.
    """
    from ftfy import chardata, fixes
    from ftfy.badness import BADNESS_RE

    (_, (_, guards)), (_, (_, _, sequences)) = _parsed(chardata.UTF8_DETECTOR_RE)
    return {
        "signs": _alternatives(_parsed(BADNESS_RE)),
        "sequences": _alternatives(sequences),
        "guards": _alternatives(guards)[0][0],
        "altered": _alternatives(_parsed(chardata.ALTERED_UTF8_RE)),
        "lost": _alternatives(_parsed(chardata.LOSSY_UTF8_RE)),
        "controls": changed(fixes.fix_c1_controls),
        "encodings": [
            {
                "characters": [ord(each) for each in bytes(range(256)).decode(name)],
                "restores_spaces": name != "macroman",
                "knows_losses": name.startswith("sloppy"),
            }
            for name in chardata.CHARMAP_ENCODINGS
        ],
    }


def _parsed(pattern: re.Pattern[Any]) -> Any:
    """Return a pattern as the parser of ``re`` reads it: operators with what they work on."""
    return importlib.import_module("re._parser").parse(pattern.pattern, pattern.flags)


def _alternatives(nodes: Iterable[tuple[object, Any]]) -> Pattern:
    found: Pattern = [[]]
    for operator, value in nodes:
        found = [[*before, *after] for before in found for after in _written_out(str(operator), value)]
    return found


def _written_out(operator: str, value: Any) -> Pattern:
    match operator:
        case "LITERAL":
            return [[[value, value]]]
        case "ANY":
            return [[complement([ord("\n")] * 2)]]
        case "IN":
            return [[_members(value)]]
        case "AT" if str(value) == "AT_BEGINNING":
            return [[[]]]
        case "BRANCH":
            return [each for branch in value[1] for each in _alternatives(branch)]
        case "SUBPATTERN":
            return _alternatives(value[-1])
        case "MAX_REPEAT" if isinstance(value[1], int) and value[1] < 9:
            least, most, inside = value
            times = (product(_alternatives(inside), repeat=count) for count in range(most, least - 1, -1))
            return [list(chain.from_iterable(each)) for each in chain.from_iterable(times)]
        case _:
            raise SetupError(
                f"ftfy {version('ftfy')} knows mojibake by a pattern that cannot be written for a phone ({operator}): "
                "install the version of requirements.lock."
            )


def _members(items: Iterable[tuple[object, Any]]) -> Ranges:
    codes: set[int] = set()
    negated = False
    for operator, value in items:
        match str(operator):
            case "LITERAL":
                codes.add(value)
            case "RANGE":
                codes.update(range(value[0], value[1] + 1))
            case "CATEGORY":
                inside = matched(CLASSES[str(value)])
                codes.update(*(range(a, b + 1) for a, b in zip(inside[::2], inside[1::2], strict=True)))
            case "NEGATE":
                negated = True
    return complement(ranges(codes)) if negated else ranges(codes)
