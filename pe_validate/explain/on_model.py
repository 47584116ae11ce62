"""Mistakes that can be made with any model: other operators than its own, and rounded weights.

Operators are exchanged while the module runs, so that nothing need be known of how it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from pe_validate.models.mistake import Mistake, twin

ATEN: Final = torch.ops.aten
GELU: Final = ATEN.gelu.default
LAYER_NORM: Final = ATEN.native_layer_norm.default
EPSILONS: Final = (1e-6, 1e-5, 1e-12, 1e-3)

Operator = Callable[..., Any]


class _Exchange(TorchDispatchMode):
    """Calls another function in place of an operator: always, or at one of its calls; counts the calls."""

    def __init__(self, operator: Operator, other: Operator, only: int | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not type it
        self._operator, self._other, self._only = operator, other, only
        self.calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run ``func``, or what takes its place; torch calls this in place of every operator."""
        if func is self._operator:
            self.calls += 1
            if self._only in (None, self.calls - 1):
                return self._other(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class Exchanged(nn.Module):
    """``module`` with one operator exchanged; to be run outside inference mode, which does not decompose operators."""

    def __init__(self, module: nn.Module, operator: Operator, other: Operator, only: int | None = None) -> None:
        super().__init__()
        self.module, self._exchange = module, partial(_Exchange, operator, other, only)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return what the module would answer."""
        with self._exchange():
            answer: Tensor = self.module(*inputs)
        return answer


class _Largest(TorchDispatchMode):
    """Notes the largest magnitude that any operator gives."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch does not type it
        self.found = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run ``func``; torch calls this in place of every operator."""
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_floating_point() and result.numel():
            self.found = max(self.found, float(result.abs().max()))
        return result


def largest(module: nn.Module, given: Sequence[Tensor]) -> float:
    """Return the largest magnitude among the values that ``module`` computes for these inputs."""
    with torch.no_grad(), _Largest() as noting:
        module(*given)
    return float(noting.found)


def calls(module: nn.Module, operator: Operator, given: Sequence[Tensor]) -> int:
    """Return how often ``module`` calls an operator."""
    with torch.no_grad(), _Exchange(operator, operator) as counting:
        module(*given)
    return int(counting.calls)


def _tanh(x: Tensor, **_: Any) -> Tensor:
    return GELU(x, approximate="tanh")  # type: ignore[no-any-return]  # operators are not typed


def _erf(x: Tensor, **_: Any) -> Tensor:
    return GELU(x)  # type: ignore[no-any-return]  # operators are not typed


def _sigmoid(x: Tensor, **_: Any) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _silu(x: Tensor, **_: Any) -> Tensor:
    return x * torch.sigmoid(x)


def _relu(x: Tensor, **_: Any) -> Tensor:
    return x.clamp(min=0)


def _with_epsilon(x: Tensor, shape: Any, weight: Any, bias: Any, epsilon: float, *, other: float) -> Any:
    return LAYER_NORM(x, shape, weight, bias, other)


ACTIVATIONS: Final[dict[str, tuple[str, Operator]]] = {
    "gelu by tanh": ("GELU by tanh", _tanh),
    "gelu by erf": ("GELU by erf", _erf),
    "gelu by sigmoid": ("GELU by sigmoid, x σ(1.702 x)", _sigmoid),
    "silu for gelu": ("SiLU in place of GELU", _silu),
    "relu for gelu": ("ReLU in place of GELU", _relu),
}


def operators_exchanged(gelus: int, norms: int) -> Iterator[Mistake]:
    """Yield the mistakes with a module that calls GELU and LayerNorm so often."""
    if gelus:
        for name, (words, function) in ACTIVATIONS.items():
            yield Mistake("gelu", name, f"with {words}", partial(Exchanged, operator=GELU, other=function))
    if norms:
        for epsilon in EPSILONS:
            other = partial(_with_epsilon, other=epsilon)
            words = f"with a LayerNorm epsilon of {epsilon:g}"
            alter = partial(Exchanged, operator=LAYER_NORM, other=other)
            yield Mistake("epsilon", f"layer norm epsilon {epsilon:g}", words, alter)


def one_activation(gelus: int) -> Iterator[Mistake]:
    """Yield the mistakes with one GELU of several."""
    for number in range(gelus if gelus > 1 else 0):
        for name, words, function in (("tanh", "by tanh", _tanh), ("sigmoid", "by sigmoid", _sigmoid)):
            alter = partial(Exchanged, operator=GELU, other=function, only=number)
            yield Mistake("one gelu", f"gelu {number} by {name}", f"with its GELU number {number + 1} {words}", alter)


def rounded(how: Callable[[Tensor], Tensor], module: nn.Module) -> nn.Module:
    """Return the module with its floating-point parameters rounded."""
    copy: nn.Module = twin(module)
    for part in copy.modules():
        for name, tensor in list(part.named_parameters(recurse=False)):
            if tensor.is_floating_point():
                part._parameters[name] = nn.Parameter(how(tensor.detach()), requires_grad=False)
    return copy


def integers(bits: int, group: int | None, weight: Tensor) -> Tensor:
    """Round matrices to symmetric integers with a scale for each row, or for each ``group`` of a row; 0 for one."""
    if weight.dim() < 2:
        return weight
    rows = weight.reshape(1, -1) if group == 0 else weight.flatten(1)
    if group and rows.shape[1] % group:
        return weight
    rows = rows.reshape(-1, group) if group else rows
    largest = 2 ** (bits - 1) - 1
    scale = rows.abs().amax(1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny) / largest
    back: Tensor = torch.round(rows / scale).clamp(-largest - 1, largest) * scale
    return back.reshape(weight.shape)


ROUNDINGS: Final[tuple[tuple[str, str, Callable[[Tensor], Tensor]], ...]] = (
    ("bf16 weights", "with weights in bfloat16", lambda x: x.bfloat16().to(x.dtype)),
    ("fp16 weights", "with weights in float16", lambda x: x.half().to(x.dtype)),
    ("int8 weights", "with int8 weights, scaled by channel", partial(integers, 8, None)),
    ("int8 weights, one scale", "with int8 weights, each matrix with one scale", partial(integers, 8, 0)),
    ("int4 weights", "with 4-bit weights, scaled by channel", partial(integers, 4, None)),
    ("int4 weights", "with 4-bit weights, in groups of 32", partial(integers, 4, 32)),
)


def weights_rounded() -> Iterator[Mistake]:
    """Yield the mistakes with the precision of weights."""
    for name, words, how in ROUNDINGS:
        yield Mistake("rounding", name, words, partial(rounded, how))
