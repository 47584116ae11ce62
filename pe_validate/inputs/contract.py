"""Contracts as they are written, after ``--contract`` and in configuration files."""

from __future__ import annotations

from pe_validate.data.contract import OUTPUTS, QUANTISED, Contract
from pe_validate.inputs.preprocessing import PREPROCESSINGS


def contract_named(text: str) -> Contract:
    """Return the contract that ``text`` writes down.

    Raises:
        ValueError: a word is none of a contract.
    """
    try:
        found = Contract.parse(text)
        if found.values not in ("", QUANTISED, *PREPROCESSINGS):
            raise ValueError(f"'{found.values}' is no word of a contract")
    except ValueError as error:
        words = ", ".join(("NHWC or another layout", *PREPROCESSINGS, QUANTISED, "batch=N", *OUTPUTS))
        raise ValueError(f"{error}: its words are {words}") from error
    return found
