"""Neighbours may be lost down to a limit."""

from __future__ import annotations

import pytest

from pe_validate.case import Case
from pe_validate.data.limits import AgreementTolerance
from pe_validate.data.tasks import Agreement
from pe_validate.gates.retrieval import judge_agreement

INT8 = Case("PE-Core-T16-384", "pte", "int8")
AGREEMENT = AgreementTolerance(Agreement(0.9, 0.8), Agreement(1, 0.95), "someone said so.")


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (Agreement(0.9, 0.8), "pass"),
        (Agreement(1, 1), "pass"),
        (Agreement(0.89, 1), "fail"),
        (Agreement(1, 0.79), "fail"),
        (Agreement(0, 0), "fail"),
    ],
)
def test_both_shares_of_kept_neighbours_count(found: Agreement, status: str) -> None:
    verdict = judge_agreement(INT8, "a runtime", found, AGREEMENT)
    assert verdict.status == status
    assert verdict.agreement == found
    assert ("someone said so." in verdict.sentence) == (status == "fail")
