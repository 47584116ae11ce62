"""What is written for a phone says what the libraries do; Swift reads it in ``tests/swift``."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from html.entities import html5
from typing import Any, cast

import ftfy
import pytest
from ftfy import badness
from hypothesis import example, given
from hypothesis import strategies as st

from pe_validate.models.perception_encoder.text import mending, phone
from pe_validate.models.perception_encoder.text.characters import (
    Ranges,
    cases,
    complement,
    matched,
    matched_by_tokenizers,
    ranges,
    scalars,
)
from pe_validate.models.perception_encoder.text.mending import Pattern, Sets, mojibake
from pe_validate.system.errors import SetupError


@pytest.fixture(scope="module")
def content() -> bytes:
    return phone.tokenizer_file()


@pytest.fixture(scope="module")
def file(content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content)
    return found


def holds(inside: Ranges, code: int) -> bool:
    return any(first <= code <= last for first, last in zip(inside[::2], inside[1::2], strict=True))


@given(st.sets(st.integers(0, 0x10FFFF)), st.integers(0, 0x10FFFF))
def test_ranges_hold_what_they_are_made_of_and_their_complement_the_rest(codes: set[int], other: int) -> None:
    made = ranges(codes)
    assert made == sorted(made)
    for code in {*codes, other}:
        assert holds(made, code) == (code in codes)
        assert holds(complement(made), code) == (code not in codes)


def test_a_file_is_the_same_each_time_and_is_ascii(content: bytes) -> None:
    assert content == phone.tokenizer_file()
    assert content.isascii()


def test_every_id_is_reached_by_bytes_and_merges(file: dict[str, Any]) -> None:
    merges = file["merges"]
    count = len(merges) // 2
    assert sorted(file["bytes"]) == list(range(256))
    assert sorted(file["last_bytes"]) == list(range(256, 512))
    assert file["first_merged"] + count == file["start"] == file["end"] - 1
    assert all(max(merges[2 * k : 2 * k + 2]) < file["first_merged"] + k for k in range(count))


@pytest.mark.parametrize(("pattern", "category"), [(r"\p{L}", "L"), (r"\p{N}", "N")])
def test_classes_are_those_of_unicode_as_far_as_an_old_version_knows_them(pattern: str, category: str) -> None:
    found = matched_by_tokenizers(pattern)
    for code in range(0x3000):
        if (known := unicodedata.ucd_3_2_0.category(chr(code))) not in ("Cn", "Cs"):
            assert holds(found, code) == (known[0] == category) or known != unicodedata.category(chr(code)), hex(code)


def test_white_space_is_what_str_split_splits_at() -> None:
    assert matched(r"\s") == ranges(map(ord, filter(str.isspace, scalars())))


def test_a_final_sigma_is_told_by_letters_that_have_cases() -> None:
    table: dict[str, Any] = cases()
    assert holds(table["cased"], ord("a"))
    assert not holds(table["cased"], ord("1"))
    assert holds(table["ignorable"], ord("'"))
    assert [ord("İ"), ord("i"), 0x307] in table["lower"]


def begins(sets: Sets, text: str, start: int) -> bool:
    """Whether one alternative of a pattern matches at ``start``, as Swift reads it."""
    at = start
    for inside in sets:
        if not inside and at == 0:
            continue
        if not inside or at == len(text) or not holds(inside, ord(text[at])):
            return False
        at += 1
    return True


@cache
def signs() -> Pattern:
    found: Any = mojibake()["signs"]
    return cast(Pattern, found)


SUSPECT = "".join({*re.sub(r"-", "", "".join(badness.MOJIBAKE_CATEGORIES.values())), *"aZ 1\n\t.,_Д日ÃÂœ²\x80"})


@given(st.text(st.sampled_from(SUSPECT), max_size=6))
@example("Ã x")
@example("\nÃ x")
def test_written_patterns_find_what_those_of_ftfy_find(text: str) -> None:
    found = any(begins(sets, text, start) for start in range(len(text)) for sets in signs())
    assert found == badness.is_bad(text)


@pytest.mark.parametrize("pattern", [r"a*", r"(?<=a)b", r"a$", r"(?i:a)\b"])
def test_a_pattern_of_another_form_is_one_sentence(pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(badness, "BADNESS_RE", re.compile(pattern))
    with pytest.raises(
        SetupError, match=rf"ftfy {re.escape(ftfy.__version__)} knows mojibake by a pattern that cannot"
    ):
        mending.mojibake()


def test_entities_are_those_of_html_and_ftfys_capitals(file: dict[str, Any]) -> None:
    tables = file["entities"]
    assert tables["named"] == html5
    assert tables["capitals"]["EACUTE;"] == "É"
    assert [0x80, ord("€")] in tables["references"]
    assert [0xFDD0] in tables["references"]


def test_without_ftfys_licence_nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bare:
        version = "1"
        files = None

    monkeypatch.setattr(phone, "distribution", lambda name: Bare())
    with pytest.raises(SetupError, match="ftfy 1 is installed without its licence"):
        phone.tokenizer_files()
