"""Make reports, and write and read them as ``report.json``."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from pe_validate.case import matrix
from pe_validate.data.provenance import StageError
from pe_validate.data.report import VERSION, Report
from pe_validate.data.result import Result
from pe_validate.data.schema import schema
from pe_validate.gates.registry import BY_NAME
from pe_validate.report.provenance import commit_of, configuration
from pe_validate.system.cpu import cpu_identity
from pe_validate.system.errors import ReportError
from pe_validate.system.files import plain_file
from pe_validate.system.legible import legible

FILE_NAME: Final = "report.json"
FIRST_BYTES: Final = b'{\n "headlines"'
"""The first bytes of every stored report, of any version."""

TOOLS: Final = ("pe-validate", "torch", "executorch", "coremltools", "onnxruntime", "numpy")
"""Distributions whose versions a report lists, if they are installed."""

LARGEST_REPORT: Final = 2**26
"""The most bytes of a stored report; a report of every case has a few million."""


def make_report(
    command: str, weights: str, results: Sequence[Result], seconds: float, errors: Sequence[StageError] = ()
) -> Report:
    """Return the report of ``command``, made now on this machine, with every string printable."""
    made = Report(
        command,
        weights,
        tuple(results),
        seconds,
        created=this_second(),
        machine=this_machine(),
        tools={name: found for name in TOOLS if (found := _version(name))},
        errors=tuple(errors),
        commit=commit_of(Path.cwd()),
        configuration=configuration(),
    )
    return legible(made)


def this_second() -> datetime:
    """Return the time of now, without fractions of a second."""
    return datetime.now(UTC).replace(microsecond=0)


def this_machine() -> str:
    """Return this machine in words; what computes alike is said alike."""
    return f"{platform.platform()}, {os.cpu_count()} CPUs of kind {cpu_identity()}"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def to_json(report: Report) -> bytes:
    """Return indented JSON, headlines first; infinities are the strings ``Infinity`` and ``-Infinity``."""
    return json.dumps({"headlines": report.headlines} | json.loads(schema(Report).dump_json(report)), indent=1).encode()


def is_report(path: Path) -> bool:
    """Return whether a file is a stored report, of this version or another."""
    try:
        with plain_file(path).open("rb") as file:
            return file.read(len(FIRST_BYTES)) == FIRST_BYTES
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class _Header:
    """What every stored report has, of whatever version; version 1 did not say so."""

    version: int = 1


def read(path: Path, *, known: bool = True) -> Report:
    """Return the report stored at ``path``, a folder or its ``report.json``, as one of this version.

    Only if ``known`` is False may it hold cases and gates that do not exist here, which cannot be rendered.

    Raises:
        ReportError: there is none, or it is damaged or of a newer version.
    """
    path = path if path.suffix == ".json" and not path.is_dir() else path / FILE_NAME
    try:
        content = plain_file(path, LARGEST_REPORT).read_bytes()
        version = schema(_Header).validate_json(content).version
        if version > VERSION:
            raise ReportError(
                f"'{path}' is a report of version {version}, from a newer pe-validate; this one reads up to "
                f"{VERSION}: update it."
            )
        found = schema(Report).validate_json(content)
        if known:
            _check_names(found)
    except FileNotFoundError as error:
        raise ReportError(f"No report at '{path}': make one with 'pe-validate run'.") from error
    except (OSError, ValueError) as error:  # a ValidationError is a ValueError
        raise ReportError(f"'{path}' is not a report of this version: run 'pe-validate run' again.") from error
    return replace(legible(found), version=VERSION)


def _check_names(report: Report) -> None:
    """Check that every case and every gate exists, because rendering looks them up.

    Raises:
        ValueError: one does not exist.
    """
    for result in report.results:
        if result.case not in matrix():
            raise ValueError(f"there is no case {result.case}")
        for gate in (*result.required, *(verdict.gate for verdict in result.verdicts)):
            if gate not in BY_NAME:
                raise ValueError(f"there is no gate {gate}")
