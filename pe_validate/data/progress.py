"""Progress of long work."""

from __future__ import annotations

from collections.abc import Callable

from pe_validate.data.case import Case

Progress = Callable[[Case, str], None]
"""A function that is called with the case and the name of each stage that it enters."""


def quiet(case: Case, stage: str) -> None:
    """Ignore progress."""
