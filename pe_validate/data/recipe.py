"""Recipes: the form of the model that is lowered, and how its numbers are rounded or quantised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


FUSED: Final = "fused"
LINEAR: Final = "linear"
HALF: Final = "half"
"""Forms of a model that the project's own targets lower, see :meth:`pe_validate.models.base.Model.deployable`.

`fused`: LayerNorm and GELU are single operators. `linear`: LayerNorm is built from linear layers, which XNNPACK takes
into its delegate. `half`: as `linear`, for float16: squares do not overflow, and GELU uses operators that XNNPACK has.
"""

Images = Sequence["tuple[NDArray[np.generic], ...]"]
"""Calibration images: the inputs of each."""

Apply = Callable[[Any, Images], Any]
"""A function of a ``torch.nn.Module`` and its calibration images that returns a ``torch.nn.Module``."""


def _unchanged(module: Any, images: Images) -> Any:
    return module


@dataclass(frozen=True, slots=True)
class Scheme:
    """A way to round or quantise a module before it is lowered.

    ``apply`` may change the module that it is given. ``dtype`` is the type of the artifact's input and output.
    ``rounds``: numbers are rounded, so the lowered graph differs from the rewrite. ``calibrated``: the result depends
    on calibration images. ``slow``: values are searched for, which takes minutes. ``finite``: every weight must be
    finite, because its range is computed.
    """

    name: str
    apply: Apply = field(default=_unchanged, compare=False, repr=False)
    dtype: Literal["float16", "float32"] = "float32"
    rounds: bool = True
    calibrated: bool = False
    slow: bool = False
    finite: bool = False


FLOAT32: Final = Scheme("float32", rounds=False)
"""The module as it is."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The form that is lowered, and its numerical scheme; cases with the same recipe share one lowered graph."""

    form: str
    scheme: Scheme = FLOAT32
