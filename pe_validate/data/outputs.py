"""What a model or an artifact answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

Reading = Literal["exact", "declared", "native"]
"""How an artifact is executed, where its format allows more than one way.

`exact`: its graph in float32. `declared`: rounded as the file declares. `native`: by the vendor's own runtime.
"""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Features of named inputs, and who computed them."""

    producer: str
    features: dict[str, Array]
    notes: tuple[str, ...] = ()
    """What the runtime noticed, which may explain a failure."""
