"""The command line that reproduces a result."""

from __future__ import annotations

import shlex
from collections.abc import Mapping


def command(*words: str, options: Mapping[str, object] | None = None) -> str:
    """Return a ``pe-validate`` command line of ``words`` and every option with a value, quoted for a shell."""
    parts = [str(part) for name, value in (options or {}).items() if value for part in (name, value)]
    return shlex.join(["pe-validate", *words, *parts])
