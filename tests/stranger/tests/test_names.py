"""A test that has nothing to do with conversions."""

from greenhouse.names import title


def test_the_genus_has_a_capital() -> None:
    assert title("ACER Palmatum") == "Acer palmatum"
