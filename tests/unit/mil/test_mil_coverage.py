"""Every operator of an ML Program is computed, with every parameter of every opset, or is declared unsupported."""

from __future__ import annotations

import inspect
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from mil_editing import edit, operation
from mil_networks import Quiet
from places import ROOT

from pe_validate.mil import load
from pe_validate.mil.ops import OPERATORS
from pe_validate.system.errors import RunError

UNSUPPORTED = {
    "recurrent": {"gru", "lstm", "rnn"},
    "random": {"random_bernoulli", "random_categorical", "random_normal", "random_uniform"},
    "lists": {"list_gather", "list_length", "list_read", "list_scatter", "list_write", "make_list"},
    "boxes": {"non_maximum_suppression"},
    "state": {"read_state"},
}
"""By family; `docs/coreml.md` names these families."""

ELSEWHERE = {
    "const": "read by the graph itself",
    "_const_symbolic": "coremltools' own, never written to a package",
    "conv_quantized": "of the neural network format, never written to an ML Program",
}

BLOCKS = {"cond": {"_true_fn", "_false_fn"}, "while_loop": {"_cond", "_body"}}
"""Parameters of the builder that a program holds as blocks."""


@pytest.fixture(scope="module")
def known(ct: Any, quiet: Quiet) -> dict[str, dict[Any, Any]]:
    """coremltools' operators: name → opset → class."""
    with quiet():
        from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry
    return dict(SSAOpRegistry.core_ops)


def test_every_operator_is_computed_or_declared_unsupported(known: dict[str, dict[Any, Any]]) -> None:
    declared = set().union(*UNSUPPORTED.values())
    assert not declared & set(OPERATORS)
    assert set(known) == set(OPERATORS) | declared | set(ELSEWHERE)


def test_every_parameter_of_every_opset_is_taken(known: dict[str, dict[Any, Any]]) -> None:
    missing = {}
    for name, operator in OPERATORS.items():
        for opset, version in known.get(name, {}).items():
            wanted = set(version.input_spec.input_types) - BLOCKS.get(name, set()) - {"_existing_blocks"}
            if left := wanted - set(operator.signature.parameters):
                missing[name, str(opset)] = left
    assert not missing


@pytest.mark.parametrize("name", sorted(set().union(*UNSUPPORTED.values())))
def test_an_unsupported_operator_is_refused_by_its_name(good: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "other.mlpackage"
    shutil.copytree(good, path)
    edit(lambda specification: setattr(operation(specification, "relu"), "type", name))(path)
    with pytest.raises(RunError, match=f"uses operator '{name}', which the evaluator does not support"):
        load(path)


def test_the_shape_of_predict_is_that_of_core_ml(good: Path) -> None:
    """`MLModel.predict(data) -> {name: array}`, and a trace besides."""
    assert list(inspect.signature(load(good).predict).parameters) == ["inputs", "trace"]


def test_the_oracle_skips_no_operator_that_is_not_declared_here() -> None:
    oracle = (ROOT / "tests" / "oracles" / "apple.py").read_text(encoding="utf-8")
    listed = oracle.partition("UNSUPPORTED")[2].partition("})")[0]
    assert set(re.findall(r'"(\w+)"', listed)) == set().union(*UNSUPPORTED.values())
