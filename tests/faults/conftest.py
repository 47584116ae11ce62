"""One exporting child for each worker, and the kill matrix that is written when the run is over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from kill_matrix import Cell, to_markdown
from planting import export_with, planted

from pe_validate.case import Case
from pe_validate.export.artifact import Artifact
from pe_validate.export.precision import calibration_images
from pe_validate.models.weights import DEFAULT_WEIGHTS
from pe_validate.process import Child, ChildError
from pe_validate.reference import Reference, reference

EXPORT_SECONDS = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kill-matrix", type=Path, help="write what killed which fault to this Markdown file")


class Exporter:
    """Plants and exports; the libraries are imported once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._child: Child | None = None

    def __call__(
        self,
        fault: str | None,
        case: Case,
        model: Reference,
        folder: Path,
        weights: str = DEFAULT_WEIGHTS,
        option: str | None = None,
    ) -> Artifact:
        self._child = self._child or Child(self._log)
        images = calibration_images(case)
        try:
            return self._child.call(
                export_with, EXPORT_SECONDS, fault, case, weights, model.weights.sha256, folder, images, option
            )
        except ChildError:
            self.close()
            raise

    def close(self) -> None:
        if self._child:
            self._child.close()
        self._child = None


@pytest.fixture(scope="session")
def exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    made = Exporter(tmp_path_factory.mktemp("exporter") / "export.log")
    yield made
    made.close()


class References:
    """Sound references by model and weights, and those of a world in which the rewrite itself is wrong."""

    def __init__(self) -> None:
        self._sound: dict[tuple[str, str], Reference] = {}

    def sound(self, model: str, weights: str = DEFAULT_WEIGHTS) -> Reference:
        if (model, weights) not in self._sound:
            self._sound[model, weights] = reference(model, weights)
        return self._sound[model, weights]

    def sick(self, model: str) -> Reference:
        """What is computed from it has to be computed while the fault is planted."""
        sound = self.sound(model)
        return Reference(sound.weights, sound.tower, sound.inputs)


@pytest.fixture(scope="session")
def references() -> References:
    return References()


CELLS = pytest.StashKey[list[Cell]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CELLS] = []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Cells travel from the workers as properties of their tests."""
    if report.when == "call":
        _collected.extend(Cell(**json.loads(str(value))) for name, value in report.user_properties if name == "cell")


_collected: list[Cell] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    path = session.config.getoption("--kill-matrix")
    if path and not hasattr(session.config, "workerinput"):
        path.write_text(to_markdown(_collected), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    placed = [cell for cell in _collected if cell.expected]
    if placed:
        right = sum(cell.found == cell.expected for cell in placed)
        terminalreporter.write_line(
            f"{len(_collected)} faults planted, {sum(bool(cell.killed) for cell in _collected)} caught; "
            f"the place named was right for {right} of {len(placed)}"
        )


__all__ = ["planted"]
