"""What decides the graph that is lowered: the form of the model, and what happens to its numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

FUSED: Final = "fused"
LINEAR: Final = "linear"
HALF: Final = "half"
"""Forms that the project's own targets ask of a model, see :meth:`pe_validate.models.base.Model.deployable`.

`fused`: LayerNorm and GELU are operators of their own. `linear`: LayerNorm is made of linear layers, which XNNPACK
takes into its delegate. `half`: the same for float16, with squares that do not overflow and a GELU that XNNPACK has.
"""

Apply = Callable[[Any, Sequence[NDArray[np.float32]]], Any]
"""From a module, and the images that it is calibrated on, to a module; both are ``torch.nn.Module``."""


def _keep(module: Any, images: Sequence[NDArray[np.float32]]) -> Any:
    return module


@dataclass(frozen=True, slots=True)
class Scheme:
    """What happens to the numbers of a module before it is lowered.

    ``apply`` may change the module that it is given. ``dtype`` is that of the artifact's input and output.
    ``rounds``: something is rounded, so that the lowered graph is not the rewrite itself. ``calibrated``: the result
    depends on calibration images. ``finite``: weights must be, since their range is looked for.
    """

    name: str
    apply: Apply = field(default=_keep, compare=False, repr=False)
    dtype: Literal["float16", "float32"] = "float32"
    rounds: bool = True
    calibrated: bool = False
    finite: bool = False


FLOAT32: Final = Scheme("float32", rounds=False)
"""Nothing happens."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The form that is lowered, and the scheme of its numbers: cases that share a recipe share the graph."""

    form: str
    scheme: Scheme = FLOAT32
