"""Where in the repository there is what tests read."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
GOLDENS: Final = ROOT / "golden"
FIXTURES: Final = ROOT / "fixtures"
