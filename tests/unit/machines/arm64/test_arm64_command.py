"""``pe-validate arm64 run`` where nothing is emulated, and where it cannot begin."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from pe_validate.cli import arm64 as cli_arm64
from pe_validate.machines.arm64 import environment
from pe_validate.report.stored import read
from pe_validate.system.errors import GoldenError, UsageError

CASE = "PE-Nano/pte/fp32"


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that is arm64: here its code runs on x86-64."""
    monkeypatch.setattr(environment, "native", lambda: True)


@pytest.mark.usefixtures("native")
def test_a_machine_that_is_arm64_answers_under_no_phones_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit) as ended:
        cli_arm64.run([CASE], report=tmp_path, quiet=True)
    assert ended.value.exit_code == 0
    (result,) = read(tmp_path).results
    assert result.name == f"{CASE} on this CPU"
    assert "--profile" not in result.again
    assert {verdict.gate for verdict in result.verdicts} == {"parity", "fidelity", "loss"}
    assert "million" not in capsys.readouterr().out, "there nothing is counted"


@pytest.mark.usefixtures("native")
def test_a_result_is_seen_again_by_the_same_options(tmp_path: Path) -> None:
    costs = tmp_path / "costs.json"
    costs.write_text("{}")
    with pytest.raises(typer.Exit):
        cli_arm64.run([CASE], inputs=1, timeout=900, costs=costs, report=tmp_path, quiet=True)
    (result,) = read(tmp_path).results
    assert result.again == f"pe-validate arm64 run {CASE} --weights seed:7 --inputs 1 --timeout 900 --costs {costs}"


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(("profiles", "update"), [(["iphone-14"], False), (None, True)], ids=["profile", "update"])
def test_a_machine_that_is_arm64_stands_for_no_phone(tmp_path: Path, profiles: list[str] | None, update: bool) -> None:
    with pytest.raises(UsageError, match="This machine is arm64"):
        cli_arm64.run([CASE], profiles, update=update, report=tmp_path)


def test_costs_that_cannot_be_stored_are_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(GoldenError, match="Cannot write"):
        cli_arm64.run([CASE], update=True, costs=tmp_path / "file" / "costs.json", report=tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_costs_that_were_named_and_are_not_there_are_missed_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match=r"There are no costs at .*mistyped\.json"):
        cli_arm64.run([CASE], costs=tmp_path / "mistyped.json", report=tmp_path)
