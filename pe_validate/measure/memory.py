"""Peak resident memory of an artifact: what loading it and one inference add to a process of its own."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np

from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.open import load

MEASURING_TIMEOUT = 300.0
"""Seconds for loading and two inferences."""


def peak_memory(path: Path, target: str) -> int:
    """Bytes that loading and running the artifact add, at their peak, to a process that has imported its runtime.

    Pages of the file count once they are touched. Linux only: elsewhere a process cannot reset its own peak.

    Raises:
        RunError: the artifact cannot be run, or this is not Linux.
    """
    if sys.platform != "linux":
        raise RunError("Peak memory is measured on Linux only, from /proc/self/status.")
    with Child() as child:
        try:
            return child.call(_peak, MEASURING_TIMEOUT, path, target)
        except ChildError as error:
            raise RunError(f"The memory of '{path}' cannot be measured: {error}.") from error


def _peak(path: Path, target: str) -> int:
    _warm(target)
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, the peak
    runtime = load(path, target)
    image = np.zeros([max(n, 1) for n in runtime.image_spec().shape], np.float32)
    for _ in range(2):
        runtime.run(image)
    return _status("VmHWM") - before


def _warm(target: str) -> None:
    """Import the runtime: a path that cannot be loaded does so and no more."""
    with suppress(RunError):
        load(Path("nothing-here"), target)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RunError(f"/proc/self/status has no {key}.")
