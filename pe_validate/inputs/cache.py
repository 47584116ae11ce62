"""Where artifacts, answers and what is downloaded are kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs


def default_cache_dir() -> Path:
    """Return ``$PE_VALIDATE_CACHE`` if it is set, else the user's cache folder."""
    configured = os.environ.get("PE_VALIDATE_CACHE")
    return Path(configured) if configured else platformdirs.user_cache_path("pe_validate")


@contextmanager
def exclusive(lock: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the file ``lock`` inside the ``with``; call ``waiting`` first if another process holds it.

    Raises:
        OSError: it cannot be made.
    """
    from filelock import FileLock, Timeout  # which listing cases can do without

    try:
        held = FileLock(lock).acquire(timeout=0)
    except Timeout:
        waiting()
        held = FileLock(lock).acquire()
    with held:
        yield
