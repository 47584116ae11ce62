"""The operators, one module for each family; importing this package fills the registry."""

from pe_validate.data.result import Result
from pe_validate.mil.ops import (
    activation,
    compression,
    control,
    elementwise,
    gathering,
    linear,
    normalization,
    pooling,
    reduction,
    resizing,
    sampling,
    shape,
    tensor,
)
from pe_validate.mil.ops.registry import LARGEST, OPERATORS, Operator, Value

__all__ = [
    "LARGEST",
    "OPERATORS",
    "Operator",
    "Result",
    "Value",
    "activation",
    "compression",
    "control",
    "elementwise",
    "gathering",
    "linear",
    "normalization",
    "pooling",
    "reduction",
    "resizing",
    "sampling",
    "shape",
    "tensor",
]
