"""How much of the machine other processes used while something was timed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Final

STAT: Final = Path("/proc/stat")
IDLE: Final = slice(3, 5)
"""Places of the two idle times among those of a line ``cpu``, see proc_stat(5)."""


class OthersClock:
    """Starts when it is made; Linux only: elsewhere nothing is known of others, and :meth:`share` is 0."""

    def __init__(self) -> None:
        self._before = _machine()
        self._own, self._wall = _own(), perf_counter()

    def share(self) -> float:
        """Return the fraction of all CPUs that others used since the start, and that a virtual machine was denied."""
        after = _machine()
        if self._before is None or after is None:
            return 0.0
        busy = after[0] - self._before[0] - (_own() - self._own)
        return max(0.0, busy / ((perf_counter() - self._wall) * after[1]))


def _machine() -> tuple[float, int] | None:
    """Return the seconds for which all CPUs have been busy, and their number; None if nothing says so."""
    with suppress(OSError):
        first, *lines = STAT.read_text(encoding="ascii").splitlines()
        ticks = [int(value) for value in first.split()[1:9]]
        cpus = sum(line.startswith("cpu") for line in lines)
        return (sum(ticks) - sum(ticks[IDLE])) / os.sysconf("SC_CLK_TCK"), cpus
    return None


def _own() -> float:
    """Return the CPU seconds of this process and of its children that have ended."""
    return sum(os.times()[:4])
