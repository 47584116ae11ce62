"""The two routes from PyTorch to Core ML, and workarounds for the faults that stop them.

The workarounds are for coremltools 9.0 with torch 2.13 and numpy 2.4. Each is active only inside its ``with``, and
``tests/unit/targets/coreml/test_routes.py`` turns red when an upstream release makes one unnecessary.
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

from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.base import Example

Route = Literal["trace", "export"]
"""How coremltools is given the model: by ``torch.jit.trace`` or by ``torch.export``."""

ROUTES: Final = get_args(Route)


def convert(module: nn.Module, example: Example, *, route: Route = "trace", half: bool = True, ios: int = 17) -> Any:
    """Return the Core ML model of ``module`` for inputs like those of ``example``, computing in float16 if ``half``.

    Its inputs and outputs are float32 or int32. It is not loaded, because prediction needs macOS.

    Raises:
        Exception: whatever coremltools raises; the caller names the stage.
    """
    with quiet_libraries():  # coremltools 9.0 warns of its own dependencies
        import coremltools as ct

        inputs = [
            ct.TensorType(name=n, shape=tuple(x.shape), dtype=np.float32 if x.is_floating_point() else np.int32)
            for n, x in example.inputs.items()
        ]
        with coreml_workarounds():
            return ct.convert(
                captured(module, example.tensors, route),
                inputs=inputs if route == "trace" else None,  # an exported program declares its own names and shapes
                outputs=[ct.TensorType(name=name, dtype=np.float32) for name in example.outputs],
                convert_to="mlprogram",
                compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
                minimum_deployment_target=ct.target[f"iOS{ios}"],
                skip_model_load=True,
            )


def captured(module: nn.Module, inputs: tuple[Tensor, ...], route: Route) -> Any:
    """Return ``module`` in the form that coremltools takes.

    coremltools wants an exported program to be decomposed. The empty table of decompositions marks it so but changes
    nothing: full decomposition would split attention into smaller operators.
    """
    if route == "trace":
        return torch.jit.trace(module, inputs, check_trace=False)
    return torch.export.export(module, inputs).run_decompositions({})


@contextmanager
def coreml_workarounds() -> Iterator[None]:
    """Apply every workaround to what is traced, exported and converted inside the ``with``."""
    with ExitStack() as stack:
        for workaround in (alias_as_detach, casts_of_one_element, scalar_bias_unfused):
            stack.enter_context(workaround())
        stack.enter_context(PrescaledAttention())
        yield


@contextmanager
def alias_as_detach() -> Iterator[None]:
    """Convert ``alias`` like ``detach``: full decomposition turns one into the other, which the converter lacks."""
    from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY

    known = _TORCH_OPS_REGISTRY.name_to_func_mapping
    with patch.dict(known, alias=known["detach"]):
        yield


@contextmanager
def casts_of_one_element() -> Iterator[None]:
    """Let ``int()`` take an array of one element, as a trace has for ``x.shape[0]``; numpy 2.4 made it an error."""
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
def scalar_bias_unfused() -> Iterator[None]:
    """Keep the pass that fuses a constant into a linear layer's bias away from scalars.

    It takes a scalar for a vector if the layer has a single output column.
    """
    from coremltools.converters.mil.mil.passes.defs.optimize_linear import fuse_linear_bias

    whole = fuse_linear_bias._try_to_transform

    def transform(linear: Any, addition: Any, block: Any) -> bool:
        constants = [value.val for value in (addition.x, addition.y) if value.val is not None]
        fused: bool = not any(np.ndim(value) == 0 for value in constants) and whole(linear, addition, block)
        return fused

    with patch.object(fuse_linear_bias, "_try_to_transform", staticmethod(transform)):
        yield


class PrescaledAttention(TorchFunctionMode):
    """Scales the query before attention in place of ``scale=``, so that attention stays a single operator.

    Core ML's operator (iOS 18) has no ``scale``: it always divides by the square root of the width. coremltools
    converts attention with ``scale=`` to products and a softmax instead.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call ``func``, with the query scaled if it is attention; torch calls this in place of every function."""
        options = dict(kwargs or {})
        if func is F.scaled_dot_product_attention and options.get("scale") is not None:
            query, rest = (args[0], args[1:]) if args else (options.pop("query"), ())
            args = (query * (options.pop("scale") * math.sqrt(query.shape[-1])), *rest)
        return func(*args, **options)
