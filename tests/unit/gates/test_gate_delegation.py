"""A program is one delegate call and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from own_models import CONFIGURATION, project

from pe_validate.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.gates.delegation import judge_delegation

PTE = Case("PE-Core-T16-384", "pte", "fp32")


def test_one_delegate_call_and_nothing_outside_passes() -> None:
    verdict = judge_delegation(PTE, Delegation(1, ()))
    assert verdict.status == "pass"
    assert verdict.sentence == (f"{PTE} passes delegation: 1 delegate call; one call and none outside are wanted.")


@pytest.mark.parametrize(
    ("delegation", "found"),
    [
        (Delegation(0, ()), "0 delegate calls;"),
        (Delegation(2, ()), "2 delegate calls;"),
        (Delegation(27, ()), "27 delegate calls;"),
        (Delegation(1, ("aten::cumsum.out",)), "1 delegate call and 1 operators outside (aten::cumsum.out);"),
        (
            Delegation(3, ("b.out", "a.out", "b.out")),
            "3 delegate calls and 3 operators outside (a.out, b.out);",
        ),
        (Delegation(0, ("a.out",)), "0 delegate calls and 1 operators outside (a.out);"),
    ],
    ids=str,
)
def test_anything_but_one_whole_delegate_call_fails_and_is_counted_and_named(
    delegation: Delegation, found: str
) -> None:
    verdict = judge_delegation(PTE, delegation)
    assert verdict.status == "fail"
    assert verdict.sentence.startswith(f"{PTE} fails delegation: {found}"), verdict.sentence


PIECES = """
[models.mine.delegation."pte/fp32"]
calls = 3
outside = ["aten::mean.out"]
reason = "the mean over tokens costs nothing here."
"""


@pytest.mark.parametrize(
    ("calls", "outside", "status"),
    [
        (1, (), "pass"),
        (3, ("aten::mean.out", "aten::mean.out"), "pass"),
        (4, (), "fail"),
        (0, (), "fail"),
        (3, ("aten::gelu.out",), "fail"),
    ],
)
def test_pieces_that_a_users_model_accepts_pass_with_their_reason(
    calls: int, outside: tuple[str, ...], status: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, CONFIGURATION.replace('"onnx/fp32"', '"pte/fp32"') + PIECES)
    monkeypatch.chdir(tmp_path)
    verdict = judge_delegation(Case("mine", "pte", "fp32"), Delegation(calls, outside))
    assert verdict.status == status
    assert "accepted because the mean over tokens costs nothing here." in verdict.sentence
