"""Deviations of Core ML's own runtime from its documentation, as others have reported them publicly.

Nobody has confirmed them on a Mac here, so the evaluator follows the documentation. A package that uses an operator in
such a way is noted, and ``mil.load(…, deviations=True)`` computes what is reported in place of what is documented.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from pe_validate.mil.inspection import operations_of, shape_of
from pe_validate.mil.ops import Value
from pe_validate.mil.ops.pooling import avg_pool
from pe_validate.mil.ops.registry import flag, integers
from pe_validate.mil.package import Package
from pe_validate.mil.values import read_constant
from pe_validate.system.errors import RunError


@dataclass(frozen=True, slots=True)
class Use:
    """One use of an operator: its constant arguments by parameter, and the shape of each argument, None if unknown."""

    constants: Mapping[str, Value]
    shapes: Mapping[str, Sequence[int | None]]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One deviation: the operator, when it occurs, what is reported, and where.

    ``applies`` tells such a use; ``run`` computes what is reported, from the operator's arguments.
    """

    operator: str
    condition: str
    reported: str
    sources: tuple[str, ...]
    applies: Callable[[Use], bool]
    run: Callable[..., Tensor]

    def sentence(self, names: Sequence[str]) -> str:
        """Return a note on a package that has such uses; ``names`` are those of their results."""
        where = f"'{names[0]}'" + (f" and {len(names) - 1} more" if len(names) > 1 else "")
        return (
            f"Known deviation, not judged: '{self.operator}' ({where}) {self.condition}; Core ML's own runtime is "
            f"reported to {self.reported} ({', '.join(self.sources)}), which nobody confirmed here, and which "
            "pe_validate.mil.load(…, deviations=True) computes."
        )


def _tensors(use: Use, *names: str) -> list[Tensor | None]:
    found = [use.constants.get(name) for name in names]
    return [value if isinstance(value, Tensor) else None for value in found]


def _overhangs(use: Use) -> bool:
    """Return whether a pool without padding has windows that only ``ceil_mode`` makes, or may have."""
    kernel_sizes, strides, pads, exclude, ceil_mode = _tensors(
        use, "kernel_sizes", "strides", "pad", "exclude_padding_from_average", "ceil_mode"
    )
    kernel = integers(kernel_sizes, [])
    steps = integers(strides, [1] * len(kernel))
    padded = use.constants.get("pad_type", "valid") != "valid" and any(integers(pads, [1]))
    if len(kernel) not in (1, 2) or padded or flag(exclude) or not flag(ceil_mode):
        return False
    lengths = list(use.shapes.get("x", ()))[2:] or [None] * len(kernel)
    return any(n is None or (n - k) % s for n, k, s in zip(lengths, kernel, steps, strict=True))


def _over_whole_windows(x: Tensor, kernel_sizes: Tensor, strides: Tensor | None = None, **rest: Any) -> Tensor:
    """Return the mean of each window over the whole kernel, as if zeros lay beyond the edge."""
    kernel = integers(kernel_sizes, [])
    steps = integers(strides, [1] * len(kernel))
    windows = avg_pool(x, kernel_sizes, strides, **rest).shape[2:]
    beyond = [(w - 1) * s + k - n for w, s, k, n in zip(windows, steps, kernel, x.shape[2:], strict=True)]
    filled = F.pad(x, [side for extra in reversed(beyond) for side in (0, max(extra, 0))])
    return avg_pool(filled, kernel_sizes, strides)


def _has_base_two(use: Use) -> bool:
    (base,) = _tensors(use, "x")
    return base is not None and base.is_floating_point() and bool((base == 2).all())


def _squared(x: Tensor, y: Tensor) -> Tensor:
    return torch.broadcast_to(y.square(), torch.broadcast_shapes(x.shape, y.shape))


_ISSUES: Final = "https://github.com/apple/coremltools"

DEVIATIONS: Final = (
    Deviation(
        "avg_pool",
        "has windows that hang over the edge, by ceil_mode without padding in one or two dimensions",
        "divide their sums by the whole kernel, where PyTorch divides by the values that there are",
        (f"{_ISSUES}/issues/2772", f"{_ISSUES}/pull/2844"),
        _overhangs,
        _over_whole_windows,
    ),
    Deviation(
        "pow",
        "has the constant 2 as its base",
        "square the exponent, so that 2 to the power of 0 is 0",
        (f"{_ISSUES}/issues/2628", f"{_ISSUES}/pull/2742"),
        _has_base_two,
        _squared,
    ),
)

BY_OPERATOR: Final = {deviation.operator: deviation for deviation in DEVIATIONS}


def found_in(path: Path, function: str | None = None) -> tuple[str, ...]:
    """Return a note for each known deviation that a function of a package may meet.

    Raises:
        RunError: the package is broken, or has no such function.
    """
    package = Package(path)
    uses: dict[str, list[str]] = {}
    for operator, name, use in _uses(package, function):
        try:
            applies = BY_OPERATOR[operator].applies(use)
        except (RuntimeError, ValueError, TypeError, ArithmeticError) as error:  # of arguments that do not fit
            raise RunError(
                f"{package.label} has an operator '{operator}' ('{name}') whose arguments are not what it takes; "
                "export it again."
            ) from error
        if applies:
            uses.setdefault(operator, []).append(name)
    return tuple(BY_OPERATOR[operator].sentence(names) for operator, names in uses.items())


def _uses(package: Package, function: str | None) -> Iterator[tuple[str, str, Use]]:
    """Yield the operators that may deviate, each with the name of its result and its use."""
    inputs, operations = operations_of(package, function)
    types = {value.name: value.type for value in inputs}
    types |= {value.name: value.type for operation in operations for value in operation.outputs}
    constants = {o.outputs[0].name: o.attributes["val"] for o in operations if o.type == "const" and o.outputs}
    for operation in operations:
        if operation.type not in BY_OPERATOR or not operation.outputs:
            continue
        values, shapes = {}, {}
        for key, argument in operation.inputs.items():
            for binding in argument.arguments:
                inline = binding.WhichOneof("binding") == "value"
                value = binding.value if inline else constants.get(binding.name)
                if value is not None:
                    values[key] = read_constant(value, f"{operation.outputs[0].name}.{key}", package)
                elif binding.name in types:
                    shapes[key] = shape_of(types[binding.name])
        yield operation.type, operation.outputs[0].name, Use(values, shapes)
