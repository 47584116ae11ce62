"""Commands as a user's shell starts them, but that the interpreter is a fork of one that has imported their libraries.

Each is a process of its own, with its own folder, output and exit code; only the seconds of importing PyTorch are
spared. That nothing heavy is imported where it is not needed is what ``unit/cli/test_start.py`` shows, in interpreters
that are new.
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pe_validate.system.process import Child

Done = subprocess.CompletedProcess[str]

TIMEOUT: Final = 600.0
LIBRARIES: Final = ("torch", "pydantic", "rich.console", "safetensors.torch", "PIL.Image", "jinja2")
COMMAND: Final = (
    *LIBRARIES,
    "pe_validate.cli.main",
    "pe_validate.goldens.bundle",
    "pe_validate.report.render",
    "pe_validate.targets.eager",
    "pe_validate.walk.check",
)
SUITE: Final = (
    *LIBRARIES,
    "hypothesis.extra.numpy",
    "pe_validate.inputs.strategies",
    "pe_validate.targets.eager",
    "pe_validate.walk.check",
)
"""What conversion tests import; pytest itself, and the plugin, are imported by each run."""


def pe_validate(*arguments: object, folder: Path, environment: Mapping[str, str] | None = None) -> Done:
    """``pe-validate ARGUMENTS`` in ``folder``."""
    return _typed(_pe_validate, COMMAND, arguments, folder, environment)


def pytest(*arguments: object, folder: Path) -> Done:
    """``pytest ARGUMENTS`` in ``folder``."""
    # An installed package would be rewritten by pytest, were a part of it not imported already.
    quiet = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
    return _typed(_pytest, SUITE, (*arguments, *quiet), folder, None)


def _pe_validate() -> None:
    from pe_validate.cli.main import main

    main()


def _pytest() -> None:
    import pytest

    sys.path.insert(0, "")  # as 'python -m pytest' does
    sys.exit(pytest.main())


def _typed(
    main: Callable[[], None],
    preload: tuple[str, ...],
    arguments: tuple[object, ...],
    folder: Path,
    environment: Mapping[str, str] | None,
) -> Done:
    words = tuple(map(str, arguments))
    with TemporaryDirectory() as scratch, Child(preload=preload) as child:
        files = Path(scratch) / "stdout", Path(scratch) / "stderr"
        code = child.call(_run, TIMEOUT, main, words, folder, files, dict(environment or {}))
        stdout, stderr = (file.read_text() for file in files)
    return subprocess.CompletedProcess(words, code, stdout, stderr)


def _run(
    main: Callable[[], None],
    arguments: tuple[str, ...],
    folder: Path,
    files: tuple[Path, ...],
    variables: dict[str, str],
) -> int:
    """Do in this process what ``sys.exit`` would end, and return the exit code."""
    for stream, file in enumerate(files, 1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    os.environ.update(variables)
    os.chdir(folder)
    sys.argv = ["pe-validate", *arguments]
    try:
        main()
    except SystemExit as end:
        return _code(end)
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _code(end: SystemExit) -> int:
    if end.code is None or isinstance(end.code, int):
        return int(end.code or 0)
    print(end.code, file=sys.stderr)
    return 1
