"""What ``pe-validate upgrade`` prints and stores."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from math import inf
from pathlib import Path

import pytest
from rich.console import Console

from pe_validate.case import Case
from pe_validate.data.comparison import Comparison
from pe_validate.data.schema import schema
from pe_validate.data.upgrade import Crossing, Difference, Side, UpgradeReport
from pe_validate.report.tables import make_room
from pe_validate.report.upgrades import to_json, to_markdown, to_table, write
from pe_validate.system.errors import ReportError

OLD = Side("pass", {"fidelity": 120.0, "loss": inf}, bytes=1_000_000, calls=1, operators={"Add": 2, "Mul": 1})
NEW = replace(OLD, snr_db={"fidelity": 120.0, "loss": 119.0}, operators={"Add": 3, "Mul": 1, "Sub": 1})
EQUAL = Comparison(0.0, 0.0, inf, 1.0, finite=True)
CROSSINGS = (Crossing("a", "b", EQUAL), Crossing("b", "a", refused="it is newer"))
CHANGED = Difference(Case("PE-Nano", "pte", "fp32"), OLD, NEW, EQUAL, CROSSINGS, ("PE-Nano/pte/fp32: it is newer.",))
LOST = Difference(Case("PE-Nano", "onnx", "fp32"), *(Side("error", error="It cannot."),) * 2)
REPORT = UpgradeReport(
    "pe-validate upgrade a b",
    "seed:7",
    "a",
    "b",
    {"executorch": ("1.4.1", "1.5.1"), "py-cpuinfo": (None, "9.0.0")},
    (CHANGED, LOST),
    60.0,
    "a machine",
    datetime(2026, 1, 1, tzinfo=UTC),
)


def test_the_exit_code_is_that_of_the_worst_row() -> None:
    assert [replace(REPORT, rows=rows).exit_code for rows in ((CHANGED, LOST), (LOST,), ())] == [1, 3, 3]
    assert replace(REPORT, rows=(replace(CHANGED, passed=()),)).exit_code == 0


def test_the_first_lines_say_how_many_and_what_differs() -> None:
    assert REPORT.headlines == [
        "From a to b: 1 of 2 cases pass a limit.",
        "1 could be judged with neither.",
        "2 files were given to the other toolchain's runtime, 1 of them were refused.",
        "Versions that differ: executorch 1.4.1 → 1.5.1, py-cpuinfo – → 9.0.0.",
    ]


def test_markdown_has_a_row_for_each_case_and_both_sides_where_they_differ() -> None:
    text = to_markdown(REPORT)
    row = next(line for line in text.splitlines() if line.startswith("| PE-Nano/pte"))
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        *("PE-Nano/pte/fp32", "fail", "120.0", "equal → 119.0", "equal", "equal", "refused", "1.00", "1", "0"),
        *("Add 2 → 3, Sub 0 → 1", "–"),
    ]
    assert "- PE-Nano/pte/fp32: it is newer." in text
    assert "- PE-Nano/onnx/fp32: it could be judged with neither toolchain: It cannot." in text


def test_the_table_is_eighty_columns_wide() -> None:
    console = Console(file=StringIO(), width=80)
    console.print(to_table(REPORT))
    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert "equal → 119.0" in printed
    assert "refused" in printed


def test_what_is_stored_is_read_again(tmp_path: Path) -> None:
    make_room(tmp_path)
    write(REPORT, tmp_path)
    stored = json.loads((tmp_path / "upgrade.json").read_bytes())
    assert stored == json.loads(to_json(REPORT))
    assert stored["rows"][0]["outcome"] == "fail"
    assert stored["rows"][0]["changed_operators"] == {"Add": [2, 3], "Sub": [0, 1]}
    assert stored["rows"][0]["old"]["operators"] == {"Add": 2, "Mul": 1}
    content = {name: value for name, value in stored.items() if name != "headlines"}
    content["rows"] = [
        {name: value for name, value in row.items() if name not in ("outcome", "changed_operators")}
        for row in content["rows"]
    ]
    assert schema(UpgradeReport).validate_python(content | {"created": REPORT.created}) == REPORT


def test_a_folder_that_cannot_be_written_is_known_before(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError):
        make_room(tmp_path / "file" / "report")
