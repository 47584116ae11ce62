"""Run any module with float16 constants and float32 arithmetic, as the `exact` reading of a Core ML package does.

Constants that a package of mixed precision keeps in float32 are kept.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.weak import WeakIdKeyDictionary

from pe_validate.mil.matrices import Kept
from pe_validate.targets.coreml.folded import Folded

NOTHING: Final = Kept(frozenset())
NONE: Final = Folded()

_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu.default
_TAKES_NUMBERS: Final = frozenset(
    {
        torch.ops.aten.add.Tensor,
        torch.ops.aten.sub.Tensor,
        torch.ops.aten.mul.Tensor,
        torch.ops.aten.div.Tensor,
        torch.ops.aten.rsub.Scalar,
    }
)
"""Operators whose numbers are constants of a package like any other."""


class RoundedConstants(TorchDispatchMode):
    """Rounds constants, i.e. values that do not depend on ``image``, where they meet values that do.

    This is where a converter, which folds constants first, narrows them to float16. ``apart``: attention consists of
    products and a softmax, as up to iOS 17; the query is then scaled first, and a constant one (of the pooling probe)
    is rounded after scaling.

    ``kept``: the constants that the package keeps in float32, which are not rounded. ``folded``: those that it stores
    folded into others, which are as it has rounded them.
    """

    def __init__(self, image: Tensor, *, apart: bool, kept: Kept = NOTHING, folded: Folded = NONE) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not type it
        self._apart, self._kept, self._folded = apart, kept, folded
        self._computed: Any = WeakIdKeyDictionary()
        self._computed[image] = True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run ``func`` on rounded constants; torch calls this in place of every operator."""
        kwargs = kwargs or {}
        if func is _ATTENTION and self._apart:
            args, kwargs = self._scaled(*args, **kwargs)
        if any(map(self._depends, tree_leaves((args, kwargs)))):
            args, kwargs = tree_map(self._narrow, (args, kwargs))
            if func in _TAKES_NUMBERS:
                args = tuple(map(self._narrow_number, args))
            results = func(*args, **kwargs)
            self._computed.update((value, True) for value in tree_leaves(results) if isinstance(value, Tensor))
            return results
        return func(*args, **kwargs)

    def _scaled(self, query: Tensor, *rest: Any, scale: float | None = None, **options: Any) -> Any:
        factor = torch.tensor(query.shape[-1] ** -0.5 if scale is None else scale)
        if self._depends(query):
            self._computed[scaled := query * self._narrow(factor)] = True
        else:
            scaled = query * factor
        return (scaled, *rest), options | {"scale": 1.0}

    def _depends(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value in self._computed

    def _narrow(self, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or self._depends(value) or not value.numel():
            return value
        if self._kept.holds(value):
            return value
        instead = self._folded.instead_of(value)
        return value.half().to(value.dtype) if instead is None else instead

    def _narrow_number(self, value: Any) -> Any:
        return self._narrow(torch.tensor(value)).item() if isinstance(value, float) else value


class Rounded(nn.Module):
    """``module``, run with :class:`RoundedConstants`."""

    def __init__(self, module: nn.Module, *, apart: bool, kept: Kept = NOTHING, folded: Folded = NONE) -> None:
        super().__init__()
        self.module, self._apart, self._kept, self._folded = module, apart, kept, folded

    def forward(self, image: Tensor) -> Tensor:
        """Return the features of ``image``."""
        # Not in inference mode, where composite operators are dispatched without being decomposed.
        with torch.inference_mode(False), torch.no_grad():
            image = image.clone()
            with RoundedConstants(image, apart=self._apart, kept=self._kept, folded=self._folded):
                features: Tensor = self.module(image)
        return features
