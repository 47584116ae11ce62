"""Progress of long work."""

from __future__ import annotations

from collections.abc import Callable

from pe_validate.data.case import Case

Progress = Callable[[Case, str], None]
"""Told of each stage that a case enters."""


def quiet(case: Case, stage: str) -> None:
    """Tell nobody."""
