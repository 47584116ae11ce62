"""Operators compute what MIL's own value inference computes, on arguments that nobody chose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mil_arguments import COMPRESSED, STRATEGIES

from pe_validate.mil.ops import OPERATORS

WITHOUT = {
    "cond": "what its blocks give is inferred, and no block can be drawn",
    "reverse_sequence": "its inference in coremltools 9.0 is a stub",
}
"""Operators that MIL infers values for and that are not drawn, and why."""


@pytest.fixture(scope="module")
def oracle(quiet: Any) -> Any:
    with quiet():
        import mil_oracle
    return mil_oracle


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_the_operator_computes_what_mil_infers(oracle: Any, ct: Any, quiet: Any, name: str) -> None:
    opsets = (
        [ct.target.iOS18] if name in ("fill_like", "quantize", "slice_update") else [ct.target.iOS15, ct.target.iOS18]
    )
    opsets = opsets[-1:] if name == "scaled_dot_product_attention" else opsets

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data(), st.sampled_from(opsets))
    def holds(data: Any, opset: Any) -> None:
        arguments = data.draw(STRATEGIES[name])
        with quiet():
            message = oracle.disagreement(name, arguments, opset)
        assert message is None, message

    holds()


@pytest.mark.parametrize("name", sorted(COMPRESSED))
def test_weights_are_decompressed_exactly_as_mil_does(oracle: Any, ct: Any, quiet: Any, name: str) -> None:
    target = ct.target.iOS16 if name == "constexpr_affine_dequantize" else ct.target.iOS18

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(COMPRESSED[name])
    def holds(arguments: Any) -> None:
        with quiet():
            message = oracle.disagreement(name, arguments, target, tolerance=0.0)
        assert message is None, message

    holds()


def test_every_operator_that_mil_infers_is_drawn(ct: Any, quiet: Any) -> None:
    with quiet():
        from coremltools.converters.mil.mil import Operation
        from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
    inferred = {
        name
        for name, versions in SSAOpRegistry.core_ops.items()
        if any(version.value_inference is not Operation.value_inference for version in versions.values())
    }
    assert (inferred & set(OPERATORS)) - set(STRATEGIES) == set(WITHOUT)
