"""Constants for reading ExecuTorch programs, whatever their delegate."""

from __future__ import annotations

from typing import Final

XNNPACK_BACKEND: Final = "XnnpackBackend"
COREML_BACKEND: Final = "CoreMLBackend"
"""ExecuTorch's names for its delegates."""

READERS: Final = ("torch", "executorch.exir._serialize._program")
"""Modules that a child imports in advance to read programs."""

READ_TIMEOUT: Final = 120.0
"""In seconds; importing ExecuTorch's program reader takes most of it on a cold machine."""
