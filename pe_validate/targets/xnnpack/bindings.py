"""ExecuTorch's runtime: the extension module of its wheel, under the name that it has in the installed version.

It is ``_portable_lib`` up to ExecuTorch 1.4, and ``_C`` from 1.5 on, which splits what was inside it into libraries in
``executorch/lib`` that it is linked to: the runtime, its kernels, XNNPACK, the thread pool. The functions are the same.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

import torch  # noqa: F401 - its libraries must be loaded first

# Not executorch.runtime, which imports the whole exporter (6-10 s) to run a file.
_ROOM: Final = "executorch.extension.pybindings"
_NAMES: Final = ("_C", "_portable_lib")


def present() -> str:
    """Return the name of the extension that is there; one that cannot be imported says itself why."""
    return next(name for each in _NAMES if find_spec(name := f"{_ROOM}.{each}"))


executorch: Final[Any] = import_module(present())
