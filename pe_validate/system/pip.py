"""Take wheels that are known by their sha256 from the package index."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

from pe_validate.system.errors import SetupError

CONSTRAINT: Final = "PIP_CONSTRAINT"
"""Environment variable of pip that binds the versions of whoever installs this project, not those taken here."""


def pip(action: str, *arguments: str, failing: str) -> None:
    """Run pip, which takes wheels alone, without what they depend on, and only those whose sha256 is named.

    Raises:
        SetupError: pip cannot do it; ``failing`` says what, as the beginning of a sentence.
    """
    command = [sys.executable, "-m", "pip", action, "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command += ["--disable-pip-version-check", *arguments]
    settings = {key: value for key, value in os.environ.items() if key != CONSTRAINT}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        reason = (lines or [f"pip ended with exit code {done.returncode}"])[0].removeprefix("ERROR: ").rstrip(".")
        raise SetupError(f"{failing} by pip of {sys.executable}: {reason}.")
