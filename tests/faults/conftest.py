"""One exporting child for each worker, and the kill matrix that is written when the run is over."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import diagnoses
import pytest
from kill_matrix import WANTED, Cell, share_placed, to_markdown
from sound_and_sick import Exporter, References


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kill-matrix", type=Path, help="write what killed which fault to this Markdown file")
    parser.addoption(
        "--diagnoses",
        type=Path,
        help="write what was said of which fault to this Markdown file, and fail if it was wrong of one",
    )


@pytest.fixture(scope="session")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    made = Exporter(tmp_path_factory.mktemp("exporter"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def references(tmp_path_factory: pytest.TempPathFactory) -> References:
    base = tmp_path_factory.getbasetemp()
    # What sound models answer is computed once for all workers.
    return References((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sound-answers")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Cells travel from the workers as properties of their tests."""
    if report.when == "call":
        _collected.extend(Cell(**json.loads(str(value))) for name, value in report.user_properties if name == "cell")

        for name, value in report.user_properties:
            if name == "said":
                given = json.loads(str(value))
                _said.append(diagnoses.Said(**given | {key: tuple(given[key]) for key in ("faults", "names")}))


_collected: list[Cell] = []
_said: list[diagnoses.Said] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--kill-matrix")
    if path and not hasattr(session.config, "workerinput"):
        path.write_text(to_markdown(_collected), encoding="utf-8")
    page = session.config.getoption("--diagnoses")
    if page and not hasattr(session.config, "workerinput"):
        said = (Path(word).name if word.startswith("/") else word for word in session.config.invocation_params.args)
        command = shlex.join(["pytest", *said])
        page.write_text(diagnoses.to_markdown(_said, command), encoding="utf-8")
        enough = diagnoses.share_right(_said) >= diagnoses.WANTED and not any(said.wrong for said in _said)
        if not enough and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if share_placed(_collected) < WANTED and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _said:
        terminalreporter.write_line(diagnoses.score(_said))
    placed = [cell for cell in _collected if cell.expected]
    if placed:
        right = sum(cell.found == cell.expected for cell in placed)
        terminalreporter.write_line(
            f"{len(_collected)} faults planted, {sum(bool(cell.killed or cell.error) for cell in _collected)} caught; "
            f"the place named was right for {right} of {len(placed)}, of which {WANTED:.0%} are wanted"
        )
