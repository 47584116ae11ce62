"""Import Apple's Core AI packages, or say in a sentence why they are not there."""

from __future__ import annotations

import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Final

from pe_validate.system.errors import SetupError

RUNTIME: Final = "coreai-core"
"""The distribution with Apple's runtime and the reader of its programs."""

CONVERTER: Final = "coreai-torch"
COMPRESSOR: Final = "coreai-opt"

PLATFORMS: Final = "Linux on x86-64 with glibc 2.34 or newer, and macOS 26 or newer on Apple silicon"
"""Where ``coreai-core`` 1.0.0b3 has wheels, for Python 3.11 to 3.14."""


def library(module: str, distribution: str = RUNTIME) -> ModuleType:
    """Return a module of Apple's, imported.

    Raises:
        SetupError: its distribution is not installed, or its native code does not load here.
    """
    try:
        with _known_torch():
            return import_module(module)
    except ImportError as error:
        here = f"{platform.system()} on {platform.machine()}, Python {platform.python_version()}"
        raise SetupError(
            f"Core AI needs '{distribution}', which cannot be imported ({error}): its wheels are for {PLATFORMS}, and "
            f"this is {here}; where there is one, pip install 'pe-validate[coreai]' brings it."
        ) from error


@contextmanager
def _known_torch() -> Iterator[None]:
    """Let coreai-torch 0.4.3 take '2.13.0+cpu', the CPU's build of what it was validated with, for a newer torch.

    It can go when coreai-torch compares public versions alone.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "coreai-torch has only been validated with torch", UserWarning)
        yield
