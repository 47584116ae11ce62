"""What a program's delegate took is counted, and what it left is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from pe_validate.data.structure import Delegation
from pe_validate.system.errors import RunError
from pe_validate.targets.xnnpack.delegation import isolated_structure


@pytest.fixture(scope="module")
def found(tiny: Path) -> dict[str, Delegation]:
    """What ``delegation()`` said of each program, in the process that had just written them."""
    return TypeAdapter(dict[str, Delegation]).validate_json((tiny / "delegations.json").read_bytes())


def test_a_program_that_lowers_whole_is_one_delegate_call(found: dict[str, Delegation]) -> None:
    convolution, linear = 4 * 16 * 3 * 8 * 8, 4 * 16 * 8
    products = {"convolution fp32 × fp32": convolution, "linear fp32 × fp32": linear}
    assert replace(found["tiny.pte"], constants=()) == Delegation(1, (), products)


def test_every_constant_is_named_by_its_content(found: dict[str, Delegation]) -> None:
    """The weights and biases of a convolution and a linear layer."""
    assert len(found["tiny.pte"].constants) == 4
    assert not found["tiny.pte"].altered


def test_a_core_ml_delegate_multiplies_what_its_package_does(found: dict[str, Delegation]) -> None:
    convolution, linear = 4 * 16 * 3 * 8 * 8, 4 * 16 * 8
    products = {"conv fp32 × fp32": convolution, "linear fp32 × fp32": linear}
    assert found["tiny.coreml.pte"] == Delegation(1, (), products, "CoreMLBackend")


def test_an_operator_that_the_delegate_does_not_take_is_named_and_cuts_the_program(
    found: dict[str, Delegation],
) -> None:
    cut = found["cumsum.pte"]
    assert (cut.delegate_calls, cut.left_over) == (2, ("aten::cumsum.out",))
    assert cut.products["linear fp32 × fp32"] == 4 * 16 * 8 + 8 * 8


def test_a_file_that_is_no_program_is_one_sentence_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "garbage.pte"
    path.write_bytes(b"garbage" * 100)
    with pytest.raises(RunError, match="delegates of") as failure:
        isolated_structure(path)
    assert str(path) in str(failure.value)
    assert "\n" not in str(failure.value)
