"""Commands that compute nothing start at once: nothing that is heavy is loaded, and little time is taken."""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest
import sample_reports as sample

from pe_validate.report.render import write

HEAVY: Final = frozenset({"torch", "executorch", "coremltools", "onnxruntime", "onnx", "torchao", "numpy", "PIL"})
"""Packages that take from a tenth of a second to several."""

SECONDS: Final = 0.4
"""Of a CPU, the interpreter's own start included, where LIBRARIES are imported in USUAL; a slower one has more."""

LIBRARIES: Final = "import typer, rich, pydantic"
USUAL: Final = 0.08

MAIN: Final = """
import atexit, os, sys
sys.argv[0] = "pe-validate"
atexit.register(lambda: os.write(2, f"\\nLOADED {sorted(sys.modules)}\\n".encode()))
from pe_validate.cli.main import main
main()
"""

COMPLETE: Final = {"_PE_VALIDATE_COMPLETE": "complete_bash", "COMP_WORDS": "pe-validate run PE-", "COMP_CWORD": "2"}
NAMED: Final = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
"""The shell is named, not looked for among the processes that have started this one."""

STARTS: Final[dict[str, tuple[tuple[str, ...], Mapping[str, str], int]]] = {
    "list": (("list",), {}, 0),
    "list as JSON": (("list", "PE-Nano", "--json"), {}, 0),
    "help": (("--help",), {}, 0),
    "help of a command": (("run", "--help"), {}, 0),
    "version": (("--version",), {}, 0),
    "report": (("report", "made"), {}, 3),
    "report as Markdown": (("report", "made", "--markdown"), {}, 3),
    "report as a table": (("report", "made", "--table"), {}, 3),
    "report as JSON": (("report", "made", "--json"), {}, 3),
    "schema of reports": (("report", "--schema"), {}, 0),
    "diff": (("diff", "made", "made/report.json"), {}, 0),
    "diff as Markdown": (("diff", "made", "made", "--markdown"), {}, 0),
    "diff as JSON": (("diff", "made", "made", "--json"), {}, 0),
    "completion": ((), COMPLETE, 0),
    "completion's script": (("--show-completion", "bash"), NAMED, 0),
    "a mistake": (("run", "PE-Core-X"), {}, 2),
}
"""What is typed, the variables that are set besides, and the exit code."""

every_start = pytest.mark.parametrize(("arguments", "variables", "code"), STARTS.values(), ids=STARTS)


def start(folder: Path, program: str, arguments: tuple[str, ...], variables: Mapping[str, str]) -> tuple[int, float]:
    """The exit code of a new interpreter, and its seconds of CPU; what it prints is in ``folder``."""
    search = [str(Path(sys.modules["pe_validate"].__path__[0]).parent), os.environ.get("PYTHONPATH", "")]
    files = [
        (os.POSIX_SPAWN_OPEN, n, folder / f"printed{n}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600) for n in (1, 2)
    ]
    environment = {**os.environ, **variables, "PYTHONPATH": os.pathsep.join(filter(None, search))}
    command = [sys.executable, "-c", program, *arguments]
    pid = os.posix_spawn(sys.executable, command, environment, file_actions=files)
    _, status, used = os.wait4(pid, 0)
    return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


def loaded(folder: Path) -> set[str]:
    """The packages that a program had imported when it ended."""
    (line,) = re.findall(r"^LOADED (.*)$", (folder / "printed2").read_text(), re.MULTILINE)
    return set(ast.literal_eval(line))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One to be in, with a report that holds everything that there can be."""
    write(sample.report(*sample.mixed().results, sample.measured()), tmp_path / "made")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "")
    return tmp_path


@every_start
def test_nothing_heavy_is_loaded(
    folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str], code: int
) -> None:
    assert start(folder, MAIN, arguments, variables)[0] == code, (folder / "printed2").read_text()
    assert "pe_validate" in loaded(folder)
    assert loaded(folder) & HEAVY == set()


@every_start
def test_little_time_is_taken(
    folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str], code: int
) -> None:
    """The best of five runs: a machine that is busy now and then is none of ours."""
    took: list[float] = []
    while len(took) < 5 and min(took, default=SECONDS) >= SECONDS:
        _, libraries = start(folder, LIBRARIES, (), {})
        found, seconds = start(folder, MAIN, arguments, variables)
        assert found == code
        took.append(seconds / max(1, libraries / USUAL))
    assert min(took) < SECONDS, took


def test_the_shell_completes_cases(folder: Path) -> None:
    start(folder, MAIN, (), COMPLETE)
    completed = (folder / "printed1").read_text().split()
    assert "PE-Core-S16-384/pte/fp32" in completed
    assert all(name.startswith("PE-") for name in completed)


@pytest.mark.parametrize(
    "module", ["pe_validate", "pe_validate.case", "pe_validate.report.stored", "pe_validate.report.render"]
)
def test_a_module_of_plain_data_loads_nothing_heavy(folder: Path, module: str) -> None:
    program = MAIN.partition("from pe_validate")[0] + f"import {module}"
    assert start(folder, program, (), {})[0] == 0
    assert loaded(folder) & HEAVY == set()
