"""A program stores the weights of its graph, and nothing that was altered."""

from __future__ import annotations

from dataclasses import replace

from pe_validate.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.gates.weights import judge_weights

PTE = Case("PE-Core-T16-384", "pte", "fp32")
PROGRAM = Delegation(1, (), constants=("aa", "bb", "cc"))


def test_a_program_that_stores_its_graphs_weights_passes() -> None:
    assert judge_weights(PTE, PROGRAM, {"one.weight": "aa", "two.weight": "cc"}).status == "pass"
    assert judge_weights(PTE, PROGRAM, {}).status == "pass"


def test_a_program_that_names_no_constants_is_not_the_graphs() -> None:
    assert judge_weights(PTE, Delegation(1, ()), {"one.weight": "aa"}).status == "fail"
    assert "names none" in judge_weights(PTE, Delegation(1, ()), {}).sentence


def test_a_weight_that_is_not_in_the_program_is_named() -> None:
    verdict = judge_weights(PTE, PROGRAM, {"one.weight": "aa", "two.weight": "dd"})
    assert verdict.status == "fail"
    assert verdict.layers == ("two.weight",)
    assert "'two.weight' of the graph is not in the program" in verdict.sentence


def test_a_constant_that_was_altered_fails_whether_or_not_its_graph_is_known() -> None:
    altered = replace(PROGRAM, altered=("scale_1",))
    assert "'scale_1' was altered since it was written" in judge_weights(PTE, altered, {}).sentence
    assert judge_weights(PTE, altered, {"one.weight": "aa"}).status == "fail"
