"""The intermediate values of a Core ML package, traced in the evaluator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pe_validate import mil
from pe_validate.data.outputs import Reading
from pe_validate.targets.base import Values
from pe_validate.targets.coreml.pictures import as_declared


def intermediates(path: Path, reading: Reading, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
    """Return the floating-point values with one of ``sizes`` elements, by name, in order; runs in a child process."""
    program = mil.load(path, mode="exact" if reading == "exact" else "declared")
    values: Values = {}

    def keep(name: str, operator: str, value: Any) -> None:
        if value.is_floating_point() and value.numel() in sizes:
            values[name] = value.float().numpy().copy()

    spec = program.inputs[0]
    program.predict({spec.name: as_declared(image.astype(spec.dtype), spec)}, trace=keep)
    return values
