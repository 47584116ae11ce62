"""The table of limits: complete, with headroom, with reasons, and in an order that makes sense."""

from __future__ import annotations

from typing import get_args

import pytest

from pe_validate.case import MATRIX, PRECISIONS, Case
from pe_validate.data.limits import Limits, Tolerance
from pe_validate.gates.limits import Gate, Rows, of_rewrite, rows, table, tolerance
from pe_validate.models.perception_encoder.vision.deploy import Style

GATES: tuple[Gate, ...] = get_args(Gate)
OWN: tuple[Gate, ...] = tuple(gate for gate in GATES if gate in Rows.__dataclass_fields__)
"""Those that have rows under a target and precision; the others borrow one."""
EAGER = Case("PE-Core-T16-384", "eager", "fp32")

FACTOR = {True: 3.0, False: 1.25}
"""How many times the measured error a limit allows, at least: in floating point another CPU sums in another order.

Where most of the error is quantisation, which every CPU does alike, less will do.
"""

HEADROOM_DB = {True: 6.0, False: 2.0}
"""The same for SNR: half the amplitude, and a fifth."""

ROWS = [
    (target, precision, gate, row)
    for target, precisions in table().items()
    for precision, found in precisions.items()
    for gate in (*OWN, "form")
    if (row := getattr(found, gate)) is not None
]
every_row = pytest.mark.parametrize("row", [row for *_, row in ROWS], ids=["/".join(names) for *names, _ in ROWS])
every_row_by_kind = pytest.mark.parametrize(
    ("row", "floating"),
    [(row, precision.startswith("fp") or target == "rewrite") for target, precision, _, row in ROWS],
    ids=["/".join(names) for *names, _ in ROWS],
)


def gates(case: Case) -> list[Gate]:
    having = {"parity": False, "backends": case.target == "pte-coreml", "gelu": "gelu" in of_rewrite(case)}
    return [gate for gate in GATES if having.get(gate, True)]


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_every_gate_of_every_case_has_a_row(case: Case) -> None:
    assert all(isinstance(tolerance(case, gate), Tolerance) for gate in gates(case))


def test_the_model_itself_is_held_to_its_goldens() -> None:
    assert isinstance(tolerance(EAGER, "loss"), Tolerance)


def test_every_row_is_for_something_that_is_validated() -> None:
    wanted = {
        (case.target, case.precision, gate) for case in MATRIX for gate in gates(case) if gate in OWN and gate != "gelu"
    }
    wanted |= {("mlpackage", "fp16", "form"), ("pte-coreml", "fp16", "form")}
    wanted |= (
        {("eager", "fp32", "loss")}
        | {("rewrite", style, "loss") for style in get_args(Style)}
        | {("rewrite", "half", "gelu")}
    )
    machines = [("iphone-16", "fp16"), *(("arm64", precision) for precision in PRECISIONS["pte"])]
    wanted |= {(*machine, gate) for machine in machines for gate in ("parity", "fidelity", "loss")}
    assert {(target, precision, gate) for target, precision, gate, _ in ROWS} == wanted


def test_a_case_without_a_row_is_an_error() -> None:
    with pytest.raises(KeyError):
        tolerance(EAGER, "fidelity")


def test_a_machine_with_rows_of_its_own_is_held_to_them_and_any_other_to_those_of_arm64() -> None:
    half, where = Case("PE-Nano", "pte", "fp16"), ("iphone-16", "arm64")
    assert tolerance(half, "loss", where) is table()["iphone-16"]["fp16"].loss
    assert tolerance(half, "loss", ("iphone-14", "arm64")) is table()["arm64"]["fp16"].loss
    assert tolerance(Case("PE-Nano", "pte", "int8"), "loss", where) is table()["arm64"]["int8"].loss


@every_row_by_kind
def test_max_rel_allows_several_times_what_was_measured(row: Tolerance, floating: bool) -> None:
    assert row.limit.max_rel >= FACTOR[floating] * row.measured.max_rel


@every_row_by_kind
def test_snr_allows_several_decibels_less_than_was_measured(row: Tolerance, floating: bool) -> None:
    assert row.limit.snr_db <= row.measured.snr_db - HEADROOM_DB[floating]


@every_row_by_kind
def test_cosine_allows_several_times_the_distance_from_one_that_was_measured(row: Tolerance, floating: bool) -> None:
    assert 1 - row.limit.cosine >= FACTOR[floating] * (1 - row.measured.cosine)


@every_row
def test_limits_are_finite_and_can_be_broken(row: Tolerance) -> None:
    assert 0 < row.limit.max_rel < 10
    assert 0 < row.limit.snr_db < 160
    assert 0 < row.limit.cosine < 1


@every_row
def test_the_reason_is_a_clause_that_ends_a_sentence(row: Tolerance) -> None:
    assert row.reason.endswith(".")
    assert not row.reason[0].isupper(), "it completes 'the limit is there because …'"
    assert "\n" not in row.reason


@pytest.mark.parametrize(("stricter", "looser"), [("fidelity", "identity"), ("identity", "loss")])
@pytest.mark.parametrize("kind", sorted({(case.target, case.precision) for case in MATRIX}), ids="/".join)
def test_what_is_closer_to_the_graph_is_held_tighter(kind: tuple[str, str], stricter: Gate, looser: Gate) -> None:
    case = Case("PE-Core-T16-384", *kind)
    tight, loose = tolerance(case, stricter).limit, tolerance(case, looser).limit
    assert tight.max_rel <= loose.max_rel
    assert tight.snr_db >= loose.snr_db
    assert tight.cosine >= loose.cosine


def test_the_table_is_read_as_plain_numbers() -> None:
    assert all(isinstance(row.limit, Limits) and isinstance(row.limit.snr_db, float) for *_, row in ROWS)


QUANTISABLE = [("pte", precision) for precision in PRECISIONS["pte"]]


@pytest.mark.parametrize("kind", QUANTISABLE, ids="/".join)
def test_every_executorch_precision_is_held_to_its_neighbours_and_its_accuracy(kind: tuple[str, str]) -> None:
    found = rows(Case("PE-Nano", *kind))
    assert found.retrieval
    assert found.accuracy
    assert 0 < found.retrieval.limit.top1 < found.retrieval.measured.top1 <= 1
    assert 0 < found.retrieval.limit.top5 < found.retrieval.measured.top5 <= 1
    assert found.accuracy.measured < found.accuracy.limit == (2 if kind[1] == "int4" else 0.5)
    assert found.retrieval.reason.endswith(".")
    assert found.accuracy.reason.endswith(".")
