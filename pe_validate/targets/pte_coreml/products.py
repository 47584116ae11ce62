"""Count the multiply-accumulates of the Core ML package inside a program."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from pe_validate.mil.inspection import inspect
from pe_validate.targets.pte_coreml.embedded import write_package


def package_products(payload: bytes) -> Counter[str]:
    """Return the multiply-accumulates by operator and operand types; the operands have the type of the result."""
    with tempfile.TemporaryDirectory() as folder:
        found = inspect(write_package(payload, Path(folder))).products
    pairs = {tuple(key.replace("float", "fp").split()): count for key, count in found.items()}
    return Counter({f"{operator} {dtype} × {dtype}": count for (operator, dtype), count in pairs.items()})
