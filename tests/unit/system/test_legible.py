"""What is shown or stored is one printable line for each string, and otherwise what it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pe_validate.system.legible import legible, printable


@dataclass(frozen=True)
class Thing:
    name: str
    where: Path
    parts: tuple[str, ...]
    numbers: dict[str, float | None]


def test_every_string_in_plain_data_is_escaped_and_numbers_stay() -> None:
    escaped = r"a\nb\x1b[31m\udcff"
    raw = "a\nb\x1b[31m\udcff"
    thing = Thing(raw, Path(raw), (raw, "ü"), {raw: 1.5, "none": None})
    assert legible([thing]) == [Thing(escaped, Path(escaped), (escaped, "ü"), {escaped: 1.5, "none": None})]


@given(st.text())
def test_any_text_becomes_one_printable_line_that_stays_as_it_is(text: str) -> None:
    line = printable(text)
    assert line.isprintable()
    assert line.encode().decode() == line
    assert printable(line) == line
