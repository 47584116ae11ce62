"""What verdicts rest on besides goldens: tables of limits, fixtures and costs, each known by its sha256."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pe_validate.gates import limits as tolerance
from pe_validate.measure import budget
from pe_validate.system.files import digest, shipped

REFERENCE: Final = "reference"
"""What Meta's own code answers: in a checkout, and not in an installed package."""

SEALED: Final = frozenset({"images", "nano", REFERENCE})
"""Folders of fixtures."""

COSTS: Final = "arm64-costs.json"
"""What programs cost on arm64 cores, in a folder of goldens."""


def sealed(goldens: Path) -> dict[str, str]:
    """Sha256 of the tables of limits, of every fixture and of the costs among ``goldens``, by name."""
    root = shipped("fixtures")
    files = {f"fixtures/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*")) if _kept(path)}
    files |= {table.name: table for table in (budget.TABLE, tolerance.TABLE)}
    files |= {path.name: path for path in [goldens / COSTS] if path.exists()}
    return {name: digest(path) for name, path in files.items()}


def absent(seals: Mapping[str, str]) -> dict[str, str]:
    """Those of ``seals`` whose files an installed package does not have; in a checkout there are none such."""
    installed = shipped("fixtures").parent == Path(__file__).parent
    return {name: seals[name] for name in seals if installed and name.startswith(f"fixtures/{REFERENCE}/")}


def _kept(path: Path) -> bool:
    return path.is_file() and path.parent.name in SEALED and path.suffix not in (".py", ".pyc")
