"""Measure the peak resident memory that loading and running an artifact add to a fresh process."""

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
"""Seconds for loading the artifact and two inferences."""


def peak_memory(path: Path, target: str) -> int:
    """Return the peak of the bytes that loading and running an artifact add to a process with its runtime imported.

    Mapped pages of the file count once they are touched. Linux only: elsewhere a process cannot reset its peak.

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
    _import_runtime(target)
    gc.collect()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM, the peak
    runtime = load(path, target)
    zeros = [np.zeros([max(n, 1) for n in s.shape], s.dtype) for s in runtime.inputs]
    for _ in range(2):
        runtime.compute(zeros, range(len(runtime.outputs)))
    return _status("VmHWM") - before


def _import_runtime(target: str) -> None:
    """Import the runtime, and nothing more, by loading a path that does not exist."""
    with suppress(RunError):
        load(Path("nothing-here"), target)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RunError(f"/proc/self/status has no {key}.")
