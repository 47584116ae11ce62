"""What verdicts rest on besides goldens: tables of limits and fixtures, each known by its sha256."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pe_validate import budget, tolerance
from pe_validate.export.artifact import digest
from pe_validate.files import fixtures

SEALED: Final = frozenset({"images", "nano"})
"""Folders of fixtures that come with the package."""


def sealed() -> dict[str, str]:
    """Sha256 of the tables of limits and of every fixture, by name."""
    root = fixtures()
    files = {f"fixtures/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*")) if _kept(path)}
    files |= {table.name: table for table in (budget.TABLE, tolerance.TABLE)}
    return {name: digest(path) for name, path in files.items()}


def _kept(path: Path) -> bool:
    return path.is_file() and path.parent.name in SEALED and path.suffix not in (".py", ".pyc")
