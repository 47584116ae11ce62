"""Seals: the sha256 of the files that verdicts depend on besides goldens (tables of limits, fixtures and costs)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pe_validate.gates import limits
from pe_validate.measure import budget
from pe_validate.system.files import digest, shipped

REFERENCE: Final = "reference"
"""The folder of outputs of Meta's own code, which is part of a checkout but not of an installed package."""

SEALED: Final = frozenset({"images", "nano", "text", REFERENCE})
"""The folders of fixtures that are sealed."""

UNSEALED: Final = frozenset({".py", ".pyc", ".md"})
"""Suffixes of files among the fixtures that no verdict depends on."""

COSTS: Final = "arm64-costs.json"
"""The file, in a folder of goldens, with the costs of programs on arm64 cores."""


def sealed(goldens: Path) -> dict[str, str]:
    """Return the sha256 of every table of limits, every fixture, and the costs in the folder ``goldens``, by name."""
    root = shipped("fixtures")
    files = {
        f"fixtures/{path.relative_to(root).as_posix()}": path for path in sorted(root.rglob("*")) if _is_sealed(path)
    }
    files |= {f"limits/{table.name}": table for table in sorted(limits.HERE.glob("*.toml"))}
    files |= {budget.TABLE.name: budget.TABLE}
    files |= {path.name: path for path in [goldens / COSTS] if path.exists()}
    return {name: digest(path) for name, path in files.items()}


def absent(seals: Mapping[str, str]) -> dict[str, str]:
    """Return the ``seals`` whose files an installed package lacks; in a checkout there are none."""
    installed = shipped("fixtures").parent == Path(__file__).parents[1]
    return {name: seals[name] for name in seals if installed and name.startswith(f"fixtures/{REFERENCE}/")}


def _is_sealed(path: Path) -> bool:
    return path.is_file() and path.parent.name in SEALED and path.suffix not in UNSEALED
