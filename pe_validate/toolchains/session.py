"""A toolchain at work: cases judged in its environment, and files answered by its runtimes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, ParamSpec, Self, TypeVar

from pe_validate.data.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.report import Report
from pe_validate.report.stored import read
from pe_validate.system.errors import PEValidateError, ReportError, RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.toolchains import errands
from pe_validate.toolchains.environment import Environment

P = ParamSpec("P")
T = TypeVar("T")

_SINCE: Final = re.compile(r"^[\d.]+ s +")
"""The seconds before a line of progress, which count from another start."""

TIMEOUT: Final = 3600.0
"""Seconds for all answers of one file; the largest model takes minutes."""


class Session:
    """The environment of a toolchain, with a child process in it that is started when first needed."""

    def __init__(self, environment: Environment, tell: Callable[[str], None]) -> None:
        self.environment, self._tell = environment, tell
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """The toolchain's name."""
        return self.environment.toolchain.name

    def judge(self, cases: Sequence[Case], options: Sequence[str], folder: Path) -> Report:
        """Export and judge ``cases`` with ``pe-validate run``, which writes its report to ``folder``.

        Raises:
            RunError: it wrote none.
        """
        command = [str(self.environment.python), "-m", "pe_validate", "run", *map(str, cases), *options]
        command += ["--quiet", "--report", str(folder)]
        said = ""
        with subprocess.Popen(
            command,
            env=dict(self.environment.variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        ) as process:
            try:
                for line in process.stderr or ():
                    said = _SINCE.sub("", line.strip()) or said
                    self._tell(said)
            except BaseException:
                process.kill()
                raise
        try:
            return read(folder)
        except ReportError as error:
            reason = said.removeprefix("pe-validate: ").rstrip(".") or f"it ended with exit code {process.returncode}"
            raise RunError(f"'pe-validate run' with the toolchain '{self.name}' made no report: {reason}.") from error

    def answers(self, case: Case, path: Path, photographs: Path | None) -> Outputs:
        """Return what a file answers here.

        Raises:
            RunError: it is refused, or its process died.
        """
        return self._call(errands.answers, case, path, photographs)

    def operators(self, case: Case, path: Path) -> dict[str, int]:
        """Return the number of operators in a file.

        Raises:
            RunError: it cannot be read.
        """
        return self._call(errands.operators, case, path)

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._child is None or not self._child.alive:
            self.close()
            python = [str(self.environment.python)]
            self._child = Child(interpreter=python, environment=self.environment.variables)
        try:
            return self._child.call(function, TIMEOUT, *args, **kwargs)
        except RunError:
            raise
        except (ChildError, PEValidateError) as error:
            raise RunError(str(error)) from error

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
