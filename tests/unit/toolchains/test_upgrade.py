"""The walk from one toolchain to another, with sessions that only pretend, and once in earnest."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import sample_reports as sample
from typer.testing import CliRunner

from pe_validate.case import Case
from pe_validate.cli.main import app
from pe_validate.data.outputs import Outputs
from pe_validate.data.report import Report
from pe_validate.report.stored import make_report
from pe_validate.system.errors import RunError
from pe_validate.toolchains import upgrade as walk
from pe_validate.toolchains.environment import Environment
from pe_validate.toolchains.session import Session
from pe_validate.toolchains.table import Toolchain
from pe_validate.toolchains.upgrade import upgraded

OLD, NEW = Toolchain("old", ("executorch==1.4.1",)), Toolchain("new", ("executorch==1.5.1",))
FEATURES = np.random.default_rng(1).standard_normal((1, 512)).astype(np.float32)


@dataclass
class Made:
    """An environment that was never made."""

    toolchain: Toolchain
    versions: dict[str, str] = field(default_factory=dict)


class Pretended:
    """A session that judges by sample reports; files that ``old`` made are named so."""

    refuses: ClassVar[str | None] = None

    def __init__(self, environment: Made, tell: object) -> None:
        self.environment, self.name = environment, environment.toolchain.name

    def judge(self, cases: Sequence[Case], options: Sequence[str], folder: Path) -> Report:
        result = sample.passing(sample.PTE)
        assert result.artifact
        artifact = replace(result.artifact, path=Path(self.name))
        return make_report("run", "seed:7", [replace(result, artifact=artifact)], 1.0)

    def answers(self, case: Case, path: Path, photographs: Path | None) -> Outputs:
        if self.name == self.refuses != str(path):
            raise RunError("It cannot be loaded.")
        return Outputs(self.name, {"photo": FEATURES + np.float32(1e-7) * (self.name == "new")})

    def operators(self, case: Case, path: Path) -> dict[str, int]:
        return {"Add": 2} if self.name == "old" else {"Add": 3}

    def __enter__(self) -> Pretended:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was started."""


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> type[Pretended]:
    @contextmanager
    def environment(toolchain: Toolchain, *_: object) -> Iterator[Made]:
        number = toolchain.requirements[0].partition("==")[2]
        yield Made(
            toolchain, {"executorch": number, "numpy": "2.4.6"} | ({"py-cpuinfo": "9"} if toolchain is NEW else {})
        )

    class Own(Pretended):
        """Whose class attribute may be changed by a test."""

    monkeypatch.setattr(walk, "environment", environment)
    monkeypatch.setattr(walk, "Session", Own)
    return Own


def test_each_case_is_judged_with_both_and_files_are_exchanged(pretended: type[Pretended], tmp_path: Path) -> None:
    (row,), packages = upgraded(OLD, NEW, [sample.PTE], tmp_path)
    assert packages == {"executorch": ("1.4.1", "1.5.1"), "py-cpuinfo": (None, "9")}
    assert row.old.calls == row.new.calls == 1
    assert row.changed_operators == {"Add": (2, 3)}
    assert [(crossing.maker, crossing.runner) for crossing in row.crossings] == [("old", "new"), ("new", "old")]
    assert row.between
    assert 120 < row.between.snr_db < 200
    assert row.passed == ()


def test_what_the_other_runtime_refuses_passes_a_limit(pretended: type[Pretended], tmp_path: Path) -> None:
    pretended.refuses = "old"
    (row,), _ = upgraded(OLD, NEW, [sample.PTE], tmp_path)
    assert [crossing.refused for crossing in row.crossings] == [None, "It cannot be loaded"]
    assert row.outcome == "fail"
    assert "the file of new does not run with old: It cannot be loaded." in row.passed[0]


@pytest.fixture
def here() -> Iterator[Session]:
    """A session in this very environment."""
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with Session(Environment(NEW, Path(sys.executable), variables), lambda said: None) as session:
        yield session


def test_a_run_that_makes_no_report_says_why(here: Session, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="with the toolchain 'new' made no report: Weights 'none' "):
        here.judge([sample.PTE], ["--weights", "none"], tmp_path / "report")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_file_that_kills_its_process_is_refused_and_the_next_is_asked(here: Session, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="SIGKILL"):
        here._call(die)
    with pytest.raises(RunError, match="No such file"):
        here.operators(sample.ONNX, tmp_path / "missing.onnx")


@pytest.mark.full
def test_two_toolchains_are_installed_and_compared(tmp_path: Path) -> None:
    words = ["upgrade", "executorch-1.4", "executorch-1.5", "PE-Nano/pte/fp32", "PE-Nano/pte/int8"]
    found = CliRunner().invoke(app, [*words, "--report", str(tmp_path), "--quiet"])
    assert found.exit_code == 0, found.output
    stored = json.loads((tmp_path / "upgrade.json").read_bytes())
    assert stored["packages"]["executorch"] == ["1.4.1", "1.5.1"]
    assert [row["outcome"] for row in stored["rows"]] == ["pass", "pass"]
    assert [crossing["refused"] for row in stored["rows"] for crossing in row["crossings"]] == [None] * 4


@pytest.mark.full
def test_toolchains_that_exclude_each_other_are_a_sentence(tmp_path: Path) -> None:
    words = ["upgrade", "executorch==1.4.1,torchao==0.17.0", "executorch-1.5", "PE-Nano/pte/fp32"]
    found = CliRunner().invoke(app, [*words, "--report", str(tmp_path / "report"), "--cache-dir", str(tmp_path)])
    assert "executorch 1.4.1 depends on torchao>=0.18.0" in str(found.exception)
    assert [path for path in (tmp_path / "toolchains").iterdir() if path.is_dir()] == []
    assert list((tmp_path / "report").iterdir()) == []
