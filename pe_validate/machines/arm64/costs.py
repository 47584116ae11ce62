"""The stored costs of programs on arm64 cores, by profile and case."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from pe_validate.data.case import Case
from pe_validate.data.counts import Positive
from pe_validate.data.schema import schema
from pe_validate.system.errors import GoldenError
from pe_validate.system.files import plain_file, replace_file

Costs = Mapping[str, Mapping[str, int]]
""":attr:`~pe_validate.data.execution.Execution.cost` by profile and case."""

_Costs = dict[str, dict[str, Positive]]
_LARGEST_FILE: Final = 10_000_000
"""The most bytes that a file of costs may have."""


def stored_costs(path: Path) -> dict[str, dict[str, int]]:
    """Return the stored cost of a first inference, by profile and case.

    Raises:
        GoldenError: the file is missing or unreadable.
    """
    try:
        return schema(_Costs).validate_json(plain_file(path, _LARGEST_FILE).read_bytes())
    except FileNotFoundError as error:
        raise GoldenError(
            f"There are no costs at '{path}': name them by --costs, or store them by --update."
        ) from error
    except (OSError, ValidationError) as error:
        raise GoldenError(f"'{path}' does not hold costs: restore it from version control.") from error


def store_costs(path: Path, counted: Mapping[tuple[str, Case], int]) -> None:
    """Replace the stored costs of these profiles and cases; the others stay.

    Raises:
        GoldenError: the file cannot be written.
    """
    try:
        costs = stored_costs(path) if path.exists() else {}
        for (profile, case), cost in counted.items():
            costs.setdefault(profile, {})[str(case)] = cost
        ordered = {profile: dict(sorted(costs[profile].items())) for profile in sorted(costs)}
        replace_file(path, schema(_Costs).dump_json(ordered, indent=1) + b"\n")
    except OSError as error:
        raise GoldenError(f"Cannot write '{path}': {error.strerror or error}.") from error
