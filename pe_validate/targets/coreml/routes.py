"""Both ways that coremltools converts PyTorch, and the smallest cures for what stops them.

The cures are for coremltools 9.0 with torch 2.13 and numpy 2.4. Each holds inside its ``with`` alone, and
``tests/unit/targets/coreml/test_routes.py`` turns red when an upstream release makes it unnecessary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final, Literal, get_args
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME
from pe_validate.system.quiet import quiet_libraries

Route = Literal["trace", "export"]
"""``torch.jit.trace``, or ``torch.export``."""

ROUTES: Final = get_args(Route)


def convert(module: nn.Module, image: Tensor, *, route: Route = "trace", half: bool = True, ios: int = 17) -> Any:
    """The Core ML model of ``module`` for inputs of ``image``'s shape, computing in float16 if ``half``.

    It takes and gives float32. Nothing is loaded: prediction needs macOS.

    Raises:
        Exception: whatever coremltools raises; the caller names the stage.
    """
    with quiet_libraries():  # coremltools 9.0 warns of its own dependencies
        import coremltools as ct

        inputs = [ct.TensorType(name=INPUT_NAME, shape=tuple(image.shape), dtype=np.float32)]
        with cures():
            return ct.convert(
                captured(module, image, route),
                inputs=inputs if route == "trace" else None,  # an exported program has names and shapes of its own
                outputs=[ct.TensorType(name=OUTPUT_NAME, dtype=np.float32)],
                convert_to="mlprogram",
                compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
                minimum_deployment_target=ct.target[f"iOS{ios}"],
                skip_model_load=True,
            )


def captured(module: nn.Module, image: Tensor, route: Route) -> Any:
    """``module`` as coremltools takes it.

    An exported program is declared to be decomposed, and nothing in it is: full decomposition takes attention apart.
    """
    if route == "trace":
        return torch.jit.trace(module, image, check_trace=False)
    return torch.export.export(module, (image,)).run_decompositions({})


@contextmanager
def cures() -> Iterator[None]:
    """All of them."""
    with ExitStack() as stack:
        for cure in (aliases, casts_of_arrays, scalars_after_one_column):
            stack.enter_context(cure())
        stack.enter_context(AttentionWithoutScale())
        yield


@contextmanager
def aliases() -> Iterator[None]:
    """``alias``, which full decomposition makes of ``detach``, is unknown to the export route; it does nothing."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY

    known = _TORCH_OPS_REGISTRY.name_to_func_mapping
    with patch.dict(known, alias=known["detach"]):
        yield


@contextmanager
def casts_of_arrays() -> Iterator[None]:
    """``int()`` of an array with one element, as the trace route writes ``x.shape[0]``, is an error since numpy 2.4."""
    from coremltools.converters.mil import Builder
    from coremltools.converters.mil.frontend.torch import ops

    whole = ops._cast

    def cast(context: Any, node: Any, dtype: type, dtype_name: str) -> None:
        value = context[node.inputs[0]].val
        if isinstance(value, np.ndarray) and value.size == 1:
            context.add(Builder.const(val=dtype(value.item()), name=node.name))
        else:
            whole(context, node, dtype, dtype_name)

    with patch.object(ops, "_cast", cast):
        yield


@contextmanager
def scalars_after_one_column() -> Iterator[None]:
    """The pass that adds a constant to a linear layer's bias takes a scalar for a vector when there is one column."""
    from coremltools.converters.mil.mil.passes.defs.optimize_linear import fuse_linear_bias

    whole = fuse_linear_bias._try_to_transform

    def transform(linear: Any, addition: Any, block: Any) -> bool:
        constants = [value.val for value in (addition.x, addition.y) if value.val is not None]
        fused: bool = not any(np.ndim(value) == 0 for value in constants) and whole(linear, addition, block)
        return fused

    with patch.object(fuse_linear_bias, "_try_to_transform", staticmethod(transform)):
        yield


class AttentionWithoutScale(TorchFunctionMode):
    """Attention with ``scale=`` falls apart into products and a softmax; with the query scaled before, it stays whole.

    Core ML's operator, of iOS 18, has no scale of its own: it divides by the root of the width.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Called by torch in place of ``func``."""
        options = dict(kwargs or {})
        if func is F.scaled_dot_product_attention and options.get("scale") is not None:
            query, rest = (args[0], args[1:]) if args else (options.pop("query"), ())
            args = (query * (options.pop("scale") * math.sqrt(query.shape[-1])), *rest)
        return func(*args, **options)
