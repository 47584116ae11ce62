"""The tables of limits: complete, with headroom, with reasons, and in an order that makes sense."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nano import case as nano
from pydantic import TypeAdapter

from pe_validate.case import MATRIX, Case
from pe_validate.data.limits import AccuracyTolerance, AgreementTolerance, Limits, Tolerance
from pe_validate.gates import limits
from pe_validate.gates.base import Subject
from pe_validate.gates.limits import FORMS, MACHINES, MODEL_ITSELF, REASONS, TARGETS, form_row, read_table, row_of
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.registry import GATES, tolerance
from pe_validate.models.perception_encoder.vision.deploy import STYLES
from pe_validate.targets.registry import targets

PROGRAMS = tuple(targets()["pte"].precisions)
NUMBERS = tuple(gate for gate in GATES if isinstance(gate, NumbersGate))
OWN = tuple(gate.name for gate in NUMBERS if gate.rows_of is None)
"""Those that have rows of their own; the others borrow one."""
OF_FORMS = ("rewrite", "gelu")
"""Those whose rows are a form's, and not a target's."""
FEATURES = TypeAdapter(Tolerance)
AnyRow = Tolerance | AgreementTolerance | AccuracyTolerance
OTHER_KINDS: dict[str, type[AnyRow]] = {"retrieval": AgreementTolerance, "accuracy": AccuracyTolerance}
"""Gates whose rows compare no features."""

FACTOR = {True: 3.0, False: 1.25}
"""How many times the measured error a limit allows, at least: in floating point another CPU sums in another order.

Where most of the error is quantisation, which every CPU does alike, less will do.
"""

HEADROOM_DB = {True: 6.0, False: 2.0}
"""The same for SNR: half the amplitude, and a fifth."""


def rows(part: dict[str, Any], *names: str) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every row of a table, with the names that lead to it."""
    if "limit" in part:
        yield names, part
        return
    for name, inner in part.items():
        assert isinstance(inner, dict), f"{'.'.join(names)}: '{name}' stands outside of every row"
        yield from rows(inner, *names, name)


WRITTEN = [found for path in (TARGETS, MACHINES, FORMS) for found in rows(read_table(path))]
ROWS = [(names, FEATURES.validate_python(row)) for names, row in WRITTEN if names[-1] not in OTHER_KINDS]
every_row = pytest.mark.parametrize("row", [row for _, row in ROWS], ids=["/".join(names) for names, _ in ROWS])
every_row_by_kind = pytest.mark.parametrize(
    ("row", "floating"),
    [(row, len(names) == 2 or names[1].startswith("fp")) for names, row in ROWS],  # two names: of a form, in float32
    ids=["/".join(names) for names, _ in ROWS],
)


def gates(case: Case) -> list[str]:
    subject = Subject(case, "seed:7")
    having = {"parity": False, "backends": bool(targets()[case.target].partners)}
    having["gelu"] = next(gate for gate in GATES if gate.name == "gelu").required(subject)
    return [gate.name for gate in NUMBERS if having.get(gate.name, True)]


@pytest.mark.parametrize("case", MATRIX, ids=str)
def test_every_gate_of_every_case_has_a_row(case: Case) -> None:
    assert all(isinstance(tolerance(case, gate), Tolerance) for gate in gates(case))


def test_the_model_itself_is_held_to_its_goldens() -> None:
    assert isinstance(form_row(MODEL_ITSELF, "loss"), Tolerance)


def test_every_row_is_for_something_that_is_validated() -> None:
    wanted: set[tuple[str, ...]] = {
        (case.target, case.precision, gate)
        for case in MATRIX
        for gate in gates(case)
        if gate in OWN and gate not in OF_FORMS
    }
    wanted |= {("mlpackage", "fp16", "form"), ("pte-coreml", "fp16", "form")}
    wanted |= {(MODEL_ITSELF, "loss")} | {(style, "rewrite") for style in STYLES} | {("half", "gelu")}
    machines = [("iphone-16", "fp16"), *(("arm64", precision) for precision in PROGRAMS)]
    wanted |= {(*machine, gate) for machine in machines for gate in ("parity", "fidelity", "loss")}
    assert {names for names, _ in ROWS} == wanted


@pytest.mark.parametrize("gate", OTHER_KINDS)
def test_a_row_that_compares_no_features_is_for_a_case(gate: str) -> None:
    kinds = {(case.target, case.precision) for case in MATRIX}
    assert {names[:2] for names, _ in WRITTEN if names[-1] == gate} <= kinds


def test_a_case_without_a_row_is_an_error() -> None:
    with pytest.raises(KeyError, match="no row of limits for PE-Nano/onnx/fp32 backends"):
        tolerance(nano("fp32", "onnx"), "backends")


def test_a_machine_with_rows_of_its_own_is_held_to_them_and_any_other_to_those_of_arm64() -> None:
    table = dict(ROWS)
    half, where = nano("fp16"), ("iphone-16", "arm64")
    assert tolerance(half, "loss", where) == table["iphone-16", "fp16", "loss"]
    assert tolerance(half, "loss", ("iphone-14", "arm64")) == table["arm64", "fp16", "loss"]
    assert tolerance(nano("int8"), "loss", where) == table["arm64", "int8", "loss"]
    assert table["iphone-16", "fp16", "loss"] != table["arm64", "fp16", "loss"] != tolerance(half, "loss")


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
def test_what_is_closer_to_the_graph_is_held_tighter(kind: tuple[str, str], stricter: str, looser: str) -> None:
    case = Case("PE-Core-T16-384", *kind)
    tight, loose = tolerance(case, stricter).limit, tolerance(case, looser).limit
    assert tight.max_rel <= loose.max_rel
    assert tight.snr_db >= loose.snr_db
    assert tight.cosine >= loose.cosine


def test_the_table_is_read_as_plain_numbers() -> None:
    assert all(isinstance(row.limit, Limits) and isinstance(row.limit.snr_db, float) for _, row in ROWS)


QUANTISABLE = [("pte", precision) for precision in PROGRAMS]


@pytest.mark.parametrize("kind", QUANTISABLE, ids="/".join)
def test_every_executorch_precision_is_held_to_its_neighbours_and_its_accuracy(kind: tuple[str, str]) -> None:
    case = Case("PE-Nano", *kind)
    retrieval, accuracy = row_of(case, "retrieval", AgreementTolerance), row_of(case, "accuracy", AccuracyTolerance)
    assert retrieval
    assert accuracy
    assert 0 < retrieval.limit.top1 < retrieval.measured.top1 <= 1
    assert 0 < retrieval.limit.top5 < retrieval.measured.top5 <= 1
    assert accuracy.measured < accuracy.limit == (2 if kind[1] == "int4" else 0.5)
    assert retrieval.reason.endswith(".")
    assert accuracy.reason.endswith(".")


@pytest.mark.parametrize(("names", "row"), WRITTEN, ids=["/".join(names) for names, _ in WRITTEN])
def test_a_row_has_a_limit_what_was_measured_and_a_reason_and_no_more(
    names: tuple[str, ...], row: dict[str, Any]
) -> None:
    assert set(row) == {"limit", "measured", "reason"}
    kind: type[AnyRow] = OTHER_KINDS.get(names[-1], Tolerance)
    assert TypeAdapter(kind).validate_python(row).reason == row["reason"]


def reasons_named(part: dict[str, Any]) -> set[str]:
    return {row["reason"] for _, row in rows(part)}


def test_every_reason_is_used_and_no_two_say_the_same() -> None:
    written = tomllib.loads(REASONS.read_text(encoding="utf-8"))
    tables = [tomllib.loads(path.read_text(encoding="utf-8")) for path in (TARGETS, MACHINES, FORMS)]
    assert set(written) == {name for table in tables for name in reasons_named(table)}
    assert len(set(written.values())) == len(written)


ROW = """
[theirs.fp32.loss]
limit = { max_rel = 1e-3, snr_db = 60, cosine = 0.999 }
measured = { max_rel = 1e-4, snr_db = 80, cosine = 0.9999 }
reason = "REASON"
"""


def test_a_row_with_an_unknown_reason_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "theirs.toml"
    path.write_text(ROW.replace("REASON", "because-i-say-so"))
    with pytest.raises(KeyError, match=r"theirs\.toml' names a reason 'because-i-say-so'"):
        read_table(path)


def test_a_table_of_another_distribution_may_bring_reasons_of_its_own_and_use_ours(tmp_path: Path) -> None:
    path = tmp_path / "theirs.toml"
    path.write_text(ROW.replace("REASON", "theirs") + '[reasons]\ntheirs = "their sums end near 80 dB."\n')
    (found,) = rows(read_table(path))
    assert found[0] == ("theirs", "fp32", "loss")
    assert FEATURES.validate_python(found[1]).reason == "their sums end near 80 dB."
    path.write_text(ROW.replace("REASON", "fp32-sums"))
    (found,) = rows(read_table(path))
    assert found[1]["reason"] == dict(ROWS)["onnx", "fp32", "loss"].reason


def test_the_tables_lie_beside_the_code_that_reads_them() -> None:
    assert {path.name for path in limits.HERE.glob("*.toml")} == {p.name for p in (TARGETS, MACHINES, FORMS, REASONS)}
