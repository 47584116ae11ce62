"""The outputs of a model or an artifact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from pe_validate.data.tensors import Interface

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
    """The features of each named input, and the runtime (``producer``) that computed them.

    Those of a model with several outputs have the name of the output, too: see :func:`entries`.
    """

    producer: str
    features: dict[str, Array]
    notes: tuple[str, ...] = ()
    """Observations of the runtime that may explain a failure."""
    dtype: str = "float32"
    """The type in which the runtime gave them; float32 if not all in the same."""


def entries(sample: str, interface: Interface | None) -> list[str]:
    """Return the names of the features of one input, an output each: ``photo``, or ``photo, logits``."""
    outputs = interface.outputs if interface else ()
    return [f"{sample}, {output.name}" for output in outputs] if len(outputs) > 1 else [sample]
