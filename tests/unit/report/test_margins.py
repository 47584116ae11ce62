"""Margins put numbers of every kind on one scale: 0 is perfect, 1 at the limit."""

from __future__ import annotations

import re
from dataclasses import replace
from math import inf, nan

import pytest
import sample_reports as sample
from hypothesis import example, given
from hypothesis import strategies as st

from pe_validate.data.comparison import Comparison
from pe_validate.data.limits import Limits
from pe_validate.gates.numbers import breach
from pe_validate.report.margins import by_input, in_words, margin, of_case, of_gate

LIMIT = Limits(max_rel=0.1, snr_db=40, cosine=0.99)
EQUAL = Comparison(0, 0, inf, 1, finite=True)
CLOSE = replace(EQUAL, max_abs=1e-9)


@pytest.mark.parametrize(
    ("found", "number", "used"),
    [
        (EQUAL, "SNR", 0),
        (replace(EQUAL, cosine=1 - 1e-16), "SNR", 0),
        (replace(EQUAL, snr_db=40), "SNR", 1),
        (replace(EQUAL, snr_db=60), "SNR", 0.1),
        (replace(EQUAL, snr_db=20), "SNR", 10),
        (replace(CLOSE, max_rel=0.05), "max |Δ|", 0.5),
        (replace(CLOSE, cosine=0.96), "cosine", 2),
        (replace(CLOSE, cosine=1.0000001), "SNR", 0),
        (replace(EQUAL, snr_db=-inf), "SNR", inf),
        (Comparison(inf, inf, -inf, -1, finite=False), "not finite", inf),
    ],
)
def test_the_worst_number_decides(found: Comparison, number: str, used: float) -> None:
    made = margin(found, LIMIT)
    assert made.number == number
    assert made.used == pytest.approx(used)


@pytest.mark.parametrize("limit", [Limits(0, inf, 1), Limits(0, 1e300, 1)])
def test_where_nothing_is_allowed_anything_is_beyond_the_limit(limit: Limits) -> None:
    assert margin(EQUAL, Limits(0, 40, 1)).used == 0
    assert margin(replace(EQUAL, snr_db=200, max_rel=1e-9), limit).used == inf


numbers = st.floats()


@given(numbers, numbers, numbers, numbers, numbers, numbers)
@example(nan, nan, nan, nan, nan, nan)
@example(1e308, 1e308, 1e308, 5e-324, -1e308, 1)
def test_no_number_raises_and_none_is_lost(a: float, b: float, c: float, d: float, e: float, f: float) -> None:
    found = margin(Comparison(a, a, b, c, finite=True), Limits(d, e, f)).used
    assert found >= 0
    assert in_words(found)


@given(st.floats(0, 1), st.floats(-50, 200), st.floats(-1, 1))
@example(0.1, 40.0, 0.99)
def test_more_than_one_is_what_a_gate_fails(rel: float, snr: float, cosine: float) -> None:
    found = Comparison(rel, rel, snr, cosine, finite=True)
    row = sample.verdicts(sample.ONNX)[0].tolerance
    assert row
    used = margin(found, LIMIT).used
    if abs(used - 1) > 1e-9:
        assert (used > 1) == bool(breach(found, replace(row, limit=LIMIT)))


def test_a_gate_without_numbers_has_no_margin() -> None:
    delegation = sample.verdicts(sample.PTE)[-1]
    assert of_gate(delegation) is None
    assert by_input(delegation) == {}
    assert of_case(sample.erring()) is None


def test_the_margin_of_a_case_names_the_gate_and_the_input() -> None:
    found = of_case(sample.failing())
    assert found
    assert found.used > 1
    assert (found.gate, found.input) == ("fidelity", "hot-pixel")


@pytest.mark.parametrize(
    ("used", "words"),
    [(0, "equal"), (1e-9, "<0.001"), (0.0123, "0.012"), (0.5, "0.50"), (12.3, "12"), (1e9, ">1e5"), (inf, "∞")],
)
def test_a_fraction_takes_few_characters(used: float, words: str) -> None:
    assert in_words(used) == words
    assert re.fullmatch(r".{1,6}", words)
