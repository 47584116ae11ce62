"""What tests of child processes look at: whether one lives, and whether something comes about in time."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds for what takes a few on an idle machine."""


def is_alive(process: int) -> bool:
    """Whether it exists and is not a zombie."""
    listed = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip()) and not listed.stdout.startswith("Z")


def wait_until(condition: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
