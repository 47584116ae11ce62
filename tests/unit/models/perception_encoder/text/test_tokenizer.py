"""The tokenizer gives the ids of Meta's own, on every line, and loses nothing of a text but its spaces."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import FIXTURES

from pe_validate.models.perception_encoder.text.config import END_OF_TEXT, START_OF_TEXT, VOCABULARY
from pe_validate.models.perception_encoder.text.tokenizer import cleaned, decoded, encoded, tokenized, vocabulary

LINES: dict[str, list[int]] = json.loads((FIXTURES / "text" / "lines.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("line", LINES)
def test_the_ids_are_those_of_metas_tokenizer(line: str) -> None:
    assert tokenized([line], 32)[0].tolist() == LINES[line]


def test_several_texts_are_each_tokenized() -> None:
    np.testing.assert_array_equal(tokenized(list(LINES), 32), np.array(list(LINES.values())))


def test_the_vocabulary_is_clips() -> None:
    assert len(vocabulary()) == VOCABULARY
    assert (vocabulary()["<start_of_text>"], vocabulary()["<end_of_text>"]) == (START_OF_TEXT, END_OF_TEXT)


@given(st.text())
def test_what_is_encoded_is_decoded_but_for_spaces(text: str) -> None:
    (ids,) = encoded([text])
    assert all(0 <= each < START_OF_TEXT for each in ids)
    assert "".join(decoded(ids).split()) == "".join(cleaned(text).split())


@given(st.text(), st.integers(2, 40))
def test_a_text_begins_and_ends_whatever_its_length(text: str, context: int) -> None:
    (ids,) = tokenized([text], context)
    (end,) = np.flatnonzero(ids == END_OF_TEXT)
    assert ids[0] == START_OF_TEXT
    assert not ids[end + 1 :].any()
    assert end == min(len(encoded([text])[0]) + 1, context - 1)
