"""Where artifacts, answers and what is downloaded are kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def default_cache_dir() -> Path:
    """Return ``$PE_VALIDATE_CACHE`` if it is set, else the user's cache folder."""
    configured = os.environ.get("PE_VALIDATE_CACHE")
    return Path(configured) if configured else platformdirs.user_cache_path("pe_validate")
