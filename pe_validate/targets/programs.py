"""Constants for reading ExecuTorch programs, whatever their delegate."""

from __future__ import annotations

from typing import Final

XNNPACK_BACKEND: Final = "XnnpackBackend"
COREML_BACKEND: Final = "CoreMLBackend"
"""ExecuTorch's names for its delegates."""

READERS: Final = ("torch", "pe_validate.targets.xnnpack.runtime", "pe_validate.targets.xnnpack.reader")
"""Modules that a child imports in advance to read programs, and to run those for XNNPACK."""

READ_TIMEOUT: Final = 120.0
"""In seconds; importing torch takes most of it on a cold machine."""
