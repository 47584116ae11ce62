"""Take packages from the package index with pip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pe_validate.system.errors import SetupError

CONSTRAINT: Final = "PIP_CONSTRAINT"
"""Environment variable of pip that binds the versions of whoever installs this project, not those taken here."""


def pip(action: str, *arguments: str, failing: str) -> None:
    """Run pip, which takes wheels alone, without what they depend on, and only those whose sha256 is named.

    Raises:
        SetupError: pip cannot do it; ``failing`` says what, as the beginning of a sentence.
    """
    command = [action, "--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", *arguments]
    if reason := _refusal(command):
        raise SetupError(f"{failing} by pip of {sys.executable}: {reason}.")


def install(requirements: Sequence[str], python: Path, failing: str) -> None:
    """Install ``requirements``, and what they need, for another interpreter.

    Raises:
        SetupError: pip cannot do it; ``failing`` says what, as the beginning of a sentence.
    """
    if reason := _refusal(["--python", str(python), "install", "--no-input", *requirements]):
        raise SetupError(f"{failing} by pip of {sys.executable}: {reason}.")


def _refusal(arguments: Sequence[str]) -> str | None:
    """Run pip; return what it said in one line if it failed."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    settings = {key: value for key, value in os.environ.items() if key != CONSTRAINT}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=settings)
    if not done.returncode:
        return None
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
    told = [line.removeprefix("ERROR: ") for line in lines if "Ignored the following" not in line]
    said = re.sub(r" \(from versions: .*\)", "", (told or [f"pip ended with exit code {done.returncode}"])[0])
    causes = re.search(r"conflict is caused by:\n((?: +\S.*\n)+)", done.stdout)  # only without --quiet
    because = ", and ".join(line.strip() for line in causes[1].splitlines()) if causes else ""
    return said.rstrip(".") + f" ({because})" * bool(because)
