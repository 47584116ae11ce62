"""The outputs of a model or an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


Array: TypeAlias = "NDArray[np.float32]"

Reading = Literal["exact", "declared", "native"]
"""How an artifact is executed, where its format allows more than one way.

`exact`: its graph in float32. `declared`: rounded as the file declares. `native`: by the vendor's own runtime.
"""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The features of each named input, and the runtime (``producer``) that computed them."""

    producer: str
    features: dict[str, Array]
    notes: tuple[str, ...] = ()
    """Observations of the runtime that may explain a failure."""
