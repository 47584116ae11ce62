"""Operators compute what MIL's own value inference computes, on arguments that nobody chose."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from mil_arguments import COMPRESSED, STRATEGIES
from mil_networks import Quiet

from pe_validate.mil.ops import OPERATORS

WITHOUT = {
    "cond": "what its blocks give is inferred, and no block can be drawn",
    "reverse_sequence": "its inference in coremltools 9.0 is a stub",
}
"""Operators that MIL infers values for and that are not drawn, and why."""


@pytest.mark.parametrize("name", sorted(STRATEGIES | COMPRESSED))
def test_the_operator_computes_what_mil_infers(oracle: ModuleType, name: str) -> None:
    oracle.check(name)


def test_every_operator_that_mil_infers_is_drawn(ct: Any, quiet: Quiet) -> None:
    with quiet():
        from coremltools.converters.mil.mil import Operation
        from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
    inferred = {
        name
        for name, versions in SSAOpRegistry.core_ops.items()
        if any(version.value_inference is not Operation.value_inference for version in versions.values())
    }
    assert (inferred & set(OPERATORS)) - set(STRATEGIES) == set(WITHOUT)
