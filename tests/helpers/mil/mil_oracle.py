"""MIL's own inference of an operator's value from constant arguments, beside the evaluator's.

Imports coremltools: tests ask for the fixture ``oracle``.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from coremltools.converters.mil import Builder, Function
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
from coremltools.converters.mil.mil.types import nptype_from_builtin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_arguments import COMPRESSED, STRATEGIES, Arguments

from pe_validate.mil.ops import OPERATORS

# float32 arithmetic in another order, or by another library: a few units in the last place of the largest term.
TOLERANCE = 2e-5


def check(name: str) -> None:
    """Hold an operator to MIL on drawn arguments, in the first opset that knows it and in the last.

    Raises:
        AssertionError: the two differ; the message has the arguments.
    """
    compressed = name in COMPRESSED
    known = sorted(SSAOpRegistry.core_ops[name])
    # The form of iOS 16 is the one that is drawn for affine quantisation, which has no later one.
    opsets = (
        [known[0]] if name == "constexpr_affine_dequantize" else [known[-1]] if compressed else [known[0], known[-1]]
    )

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given((STRATEGIES | COMPRESSED)[name], st.sampled_from(opsets))
    def holds(arguments: Arguments, opset: Any) -> None:
        message = disagreement(name, arguments, opset, 0.0 if compressed else TOLERANCE)
        assert message is None, message

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's of coremltools' arithmetic
        holds()


def disagreement(name: str, arguments: dict[str, Any], opset: Any, tolerance: float) -> str | None:
    """How the evaluator's operator differs from MIL's own inference; None where it does not.

    Raises:
        LookupError: MIL does not infer a value for these arguments.
    """
    operation, expected = inferred(name, arguments, opset)
    given = {key: tensors(value) for key, value in operation.inputs.items() if value is not None}
    operator = OPERATORS[name]
    result = operator.run(**given)
    results = result if isinstance(result, tuple) else (result,)
    for index, (found, wanted) in enumerate(zip(results, expected, strict=True)):
        actual = found.numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
        if actual.shape != np.shape(wanted):
            return f"output {index} of {name} has shape {actual.shape} and not {np.shape(wanted)}"
        exact = operator.moves or np.asarray(wanted).dtype.kind in "biu"
        limit = 0.0 if exact else tolerance
        if not np.allclose(actual.astype(np.float64), np.asarray(wanted, np.float64), limit, limit, equal_nan=True):
            return f"output {index} of {name} is\n{actual}\nand not\n{wanted}\nfor {given}"
    return None


def inferred(name: str, arguments: dict[str, Any], opset: Any) -> tuple[Any, list[Any]]:
    """The operation, with every default resolved, and the values that MIL infers for its outputs."""
    with Function({}, opset_version=opset):
        built = getattr(Builder, name)(**arguments)
    outputs = list(built) if isinstance(built, tuple | list) else [built]
    operation = outputs[0].op
    values = [output.val for output in outputs]
    if any(value is None for value in values):
        values = materialized(operation)
    return operation, values


def materialized(operation: Any) -> list[Any]:
    """What MIL decompresses constants to."""
    if not hasattr(operation, "materialized_val_inference"):
        raise LookupError(f"MIL infers no value for '{operation.op_type}'")
    value = operation.materialized_val_inference()
    return list(value) if isinstance(value, tuple) else [value]


def tensors(value: Any) -> Any:
    """An input as the evaluator's operators take it."""
    if isinstance(value, tuple | list):
        return [tensors(item) for item in value]
    if isinstance(value.val, str):
        return value.val
    array = np.asarray(value.val)
    if array.dtype.kind not in "biuf":  # a sub-byte type of MIL's own
        array = array.astype(nptype_from_builtin(value.dtype))
    wide = {"uint16": np.int32, "uint32": np.int64, "uint64": np.int64, "float16": np.float32, "float64": np.float32}
    return torch.from_numpy(np.array(array.astype(wide.get(array.dtype.name, array.dtype))))
