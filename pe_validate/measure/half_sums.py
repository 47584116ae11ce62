"""Estimate the loss of a Core ML package if sums are kept in float16, by rounding running sums.

Core ML does not document how its engines keep the sum of a long product. The evaluator's `declared` reading keeps it in
float32, the best case; rounding it every few terms gives a bound for what an engine may do. Neither models the fused
operators of the Neural Engine or the GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate import mil
from pe_validate.data.compare import compare
from pe_validate.data.outputs import Array
from pe_validate.system.errors import RunError
from pe_validate.system.process import Child, ChildError

TERMS: Final = (32, 8)
"""Numbers of products between two roundings of a running sum."""

INFERENCE_TIMEOUT = 900.0
"""Seconds for one inference; the largest model takes minutes, since every rounding writes the whole result."""


def half_sums(package: Path, image: Array, expected: Array) -> dict[int, float]:
    """Return the SNR in dB of the package's features for ``image`` to the ``expected`` ones, by number of terms.

    Raises:
        RunError: the package cannot be run.
    """
    with Child(preload=(__name__,)) as child:
        try:
            found = {terms: child.call(_features, INFERENCE_TIMEOUT, package, image, terms) for terms in TERMS}
        except ChildError as error:
            raise RunError(f"The sums of '{package}' cannot be rounded: {error}.") from error
    return {terms: compare(expected, features).snr_db for terms, features in found.items()}


def _features(package: Path, image: Array, terms: int) -> NDArray[np.float32]:
    program = mil.load(package, "declared", terms=terms)
    answer = program.predict({program.inputs[0].name: image})
    return np.asarray(answer[program.outputs[0].name], np.float32)
