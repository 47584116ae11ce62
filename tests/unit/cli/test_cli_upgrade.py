"""``pe-validate upgrade``: its mistakes, its exit codes, and what it stores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pe_validate.case import Case
from pe_validate.cli.main import app
from pe_validate.data.upgrade import Difference, Side
from pe_validate.system.errors import PEValidateError, UsageError
from pe_validate.toolchains import upgrade as walk

PTE = Case("PE-Nano", "pte", "fp32")
SIDE = Side("pass")


def typed(*words: str) -> Any:
    return CliRunner().invoke(app, ["upgrade", *words])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("executorch-1.3", "executorch-1.5"), "There is no toolchain 'executorch-1.3'"),
        (("executorch-1.4", "torch=="), "'torch==' in 'torch==' is no requirement"),
        (("executorch-1.4", "executorch-1.5", "PE-None"), "No case matches 'PE-None'"),
    ],
)
def test_a_mistake_is_a_sentence_before_anything_is_installed(
    words: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "upgraded", lambda *_, **__: pytest.fail("something was installed"))
    found = typed(*words)
    assert isinstance(found.exception, UsageError)
    assert said in str(found.exception)


@pytest.mark.parametrize(("passed", "code"), [((), 0), (("PE-Nano/pte/fp32: it grows.",), 1)])
def test_the_exit_code_says_whether_a_limit_is_passed(
    passed: tuple[str, ...], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    report = tmp_path / "report"

    def upgraded(old: Any, new: Any, cases: Any, folder: Path, options: Any, **others: Any) -> Any:
        assert folder == report
        asked.update(names=(old.name, new.name), cases=cases, options=options, **others)
        return (Difference(PTE, SIDE, SIDE, passed=passed),), {"executorch": ("1.4.1", "1.5.1")}

    monkeypatch.delenv("PE_VALIDATE_CACHE", raising=False)
    monkeypatch.setattr(walk, "upgraded", upgraded)
    found = typed(
        *("executorch-1.4", "executorch==1.5.1", "PE-Nano/pte/fp32", "--weights", "seed:3"),
        *("--report", str(report), "--json"),
    )
    assert found.exit_code == code
    assert asked["names"] == ("executorch-1.4", "executorch==1.5.1")
    assert asked["cases"] == (PTE,)
    assert asked["options"] == ["--weights", "seed:3", "--jobs", "2"]
    stored = json.loads((report / "upgrade.json").read_bytes())
    assert json.loads(found.stdout[found.stdout.index("{") :]) == stored
    assert [line in (report / "upgrade.md").read_text() for line in passed] == [True] * len(passed)


def test_a_toolchain_of_another_machine_is_refused_before_the_other_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pe_validate.toolchains.table import Toolchain

    monkeypatch.setattr(walk, "environment", lambda *_: pytest.fail("something was installed"))
    with pytest.raises(PEValidateError, match="'far' is for nowhere-z80"):
        walk.upgraded(
            Toolchain("near", ()), Toolchain("far", (), ("nowhere-z80",)), [PTE], tmp_path, cache_dir=tmp_path
        )
