"""What the tests of hostile packages ask of a child: use a package with little room, and watch what it opens.

Imports neither pytest nor coremltools.
"""

from __future__ import annotations

import io
import os
import resource
import shutil
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Final

import numpy as np
from mil_fuzz import mutated
from rich.console import Console

from pe_validate import mil
from pe_validate.mil.deviations import found_in
from pe_validate.mil.inspection import inspect
from pe_validate.report.inspected import to_terminal
from pe_validate.system.errors import RunError

ROOM = 2 * 2**30
"""Bytes of address space beyond what Python, torch and one prediction take."""

_opened: list[str] = []


def confine(package: str) -> None:
    """Use a sound package once, so that everything is imported; from then on, note every file that is opened."""
    warnings.simplefilter("error")
    assert not outcome(package, *USES)["declared"]
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str | bytes | os.PathLike):
        _opened.append(os.path.realpath(os.fsdecode(arguments[0])))


def is_sentence(said: str, name: str) -> bool:
    """One line that can be printed, names the package and ends as a sentence."""
    return said.isprintable() and name in said and said.endswith(".")


def outcome(package: str, *uses: str) -> dict[str, str]:
    """Of each of these uses of a package: the sentence of its RunError, or nothing."""
    return {use: _sentence(partial(USES[use], package)) for use in uses}


def watched(package: str) -> tuple[dict[str, str], list[str]]:
    """``outcome`` of every use, and what was opened outside of the package."""
    _opened.clear()
    said = outcome(package, *USES)
    inside = os.path.realpath(package)
    python = (sys.prefix, sys.base_prefix)  # modules that are imported late
    return said, [path for path in _opened if not path.startswith((inside + os.sep, *python)) and path != inside]


def altered(sound: str, scratch: str, file: str, seed: int, index: int) -> dict[str, str]:
    """``outcome`` of a copy in which one file is the mutation ``index`` of a sound package's."""
    shutil.copy(Path(sound) / file, Path(scratch) / file)
    content = (Path(sound) / file).read_bytes()
    (Path(scratch) / file).write_bytes(mutated(content, Path(file).name, seed, index))
    found = outcome(scratch, "declared", "inspect")
    shutil.copy(Path(sound) / file, Path(scratch) / file)
    return found


def _sentence(action: Callable[[], object]) -> str:
    try:
        action()
    except RunError as error:
        return str(error)
    return ""


def _predict(package: str, mode: mil.Mode) -> None:
    program = mil.load(package, mode)
    program.predict({spec.name: _zeros(spec.shape, spec.dtype) for spec in program.inputs})


def _zeros(shape: tuple[int, ...], dtype: str) -> object:
    """What is declared, unless that is too much."""
    if prod(shape) > 2**20 or dtype in ("string", "dictionary"):
        return 0
    return np.zeros(shape, dtype)


def _show(package: str) -> None:
    """As ``pe-validate coreml inspect`` does."""
    found = replace(inspect(package), notes=found_in(Path(package)))
    Console(file=io.StringIO(), markup=False).print(to_terminal([found], "package"))


USES: Final[dict[str, Callable[[str], object]]] = {
    "declared": partial(_predict, mode="declared"),
    "exact": partial(_predict, mode="exact"),
    "bare": lambda package: mil.load(package).predict({}),
    "inspect": inspect,
    "show": _show,
}
