"""ExecuTorch programs, whatever they are delegated to."""

from __future__ import annotations

from typing import Final

XNNPACK_BACKEND: Final = "XnnpackBackend"
COREML_BACKEND: Final = "CoreMLBackend"
"""What ExecuTorch calls its delegates."""

READERS: Final = ("torch", "executorch.exir._serialize._program")
"""Modules that read programs."""

READ_TIMEOUT: Final = 120.0
"""Seconds; importing ExecuTorch's program reader takes most of it on a cold machine."""
