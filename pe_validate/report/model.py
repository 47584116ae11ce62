"""What a run found: plain data that every rendering reads, and that is stored as ``report.json``."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, TypeAdapter, ValidationError

from pe_validate.case import CORE_ML, MATRIX, Case
from pe_validate.data.artifact import Artifact
from pe_validate.data.counts import Count
from pe_validate.data.execution import Execution
from pe_validate.data.explanation import Explanation
from pe_validate.data.latency import Latency
from pe_validate.data.verdict import Verdict
from pe_validate.gates.verdicts import GateName
from pe_validate.system.errors import ReportError
from pe_validate.system.files import plain_file
from pe_validate.system.legible import legible

FILE_NAME: Final = "report.json"
BEGINNING: Final = b'{\n "headlines"'
"""Of every stored report, whatever version wrote it."""

TOOLS: Final = ("pe-validate", "torch", "executorch", "coremltools", "onnxruntime", "numpy")


LARGEST: Final = 2**26
"""Bytes of a stored report; one of every case has a few millions."""


def known(case: Case) -> Case:
    """``case``, if it is one of the matrix."""
    if case not in MATRIX:
        raise ValueError(f"there is no case {case}")
    return case


@dataclass(frozen=True, slots=True)
class Result:
    """One case: what was made, what every gate said, how long each stage took in seconds."""

    case: Annotated[Case, AfterValidator(known)]
    seconds: dict[str, float]
    weights_sha256: str
    again: str
    """The command that repeats this case alone."""
    required: tuple[GateName, ...]
    """Gates without which the case has not passed, see :func:`~pe_validate.gates.evidence.required`."""
    artifact: Artifact | None = None
    verdicts: tuple[Verdict, ...] = ()
    error: str | None = None
    latency: Latency | None = None
    peak_memory: Count | None = None
    """Bytes, see :func:`~pe_validate.measure.memory.peak_memory`."""
    half_sums: dict[int, float] | None = None
    """SNR in dB by number of terms, see :mod:`pe_validate.measure.half_sums`."""
    explanation: Explanation | None = None
    """Where a failure begins."""
    unexplained: str | None = None
    """Why that is not known."""
    profile: str | None = None
    """The arm64 CPU that it ran on, if not on this machine's own."""
    execution: Execution | None = None
    """What ran there."""

    @property
    def name(self) -> str:
        """The case, and where it ran."""
        return f"{self.case} on {self.profile}" if self.profile else str(self.case)

    @property
    def status(self) -> Literal["pass", "fail", "error"]:
        """A stage that could not do its work is an error, and so is a required gate that nothing judged."""
        if self.error is not None or not self.verdicts:
            return "error"
        if any(verdict.status != "pass" for verdict in self.verdicts):
            return "fail"
        return "error" if self.missing else "pass"

    @property
    def missing(self) -> tuple[GateName, ...]:
        """Required gates that nothing judged."""
        return tuple(gate for gate in self.required if gate not in {verdict.gate for verdict in self.verdicts})


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one command found; every string in it is printable, see :mod:`pe_validate.system.legible`."""

    command: str
    weights: str
    results: tuple[Result, ...]
    seconds: float
    created: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    machine: str = field(default_factory=lambda: f"{platform.platform()}, {os.cpu_count()} CPUs")
    tools: dict[str, str] = field(default_factory=lambda: {name: version(name) for name in TOOLS})

    def __post_init__(self) -> None:
        for part in fields(self):
            object.__setattr__(self, part.name, legible(getattr(self, part.name)))

    @property
    def exit_code(self) -> int:
        """0 when every case passed, 1 when a gate failed, 3 when a stage could not do its work."""
        found = {result.status for result in self.results}
        return 3 if "error" in found or not found else int("fail" in found)

    @property
    def headlines(self) -> list[str]:
        """What a reader has to know first: the outcome, and who computed the Core ML numbers."""
        counts = {status: sum(r.status == status for r in self.results) for status in ("pass", "fail", "error")}
        lines = [
            f"{counts['pass']} of {len(self.results)} cases pass, {counts['fail']} fail, "
            f"{counts['error']} could not be run."
        ]
        ran = sorted({result.execution.producer for result in self.results if result.execution})
        lines += [f"arm64 programs were run by {'; '.join(ran)}; no phone ran them."] if ran else []
        alone = [r.name for r in self.results if r.execution and "parity" not in {v.gate for v in r.verdicts}]
        lines += [f"Not held to this machine, whose CPU does not compute it: {', '.join(alone)}."] if alone else []
        free = [
            r.name
            for r in self.results
            if r.execution and r.execution.cost and not {v.gate for v in r.verdicts} & {"cost", "products"}
        ]
        lines += [f"Not held to a stored cost: {', '.join(free)}."] if free else []
        judged = [verdict for r in self.results for verdict in r.verdicts if r.case.target in CORE_ML]
        producers = sorted({v.producer for v in judged if v.producer.startswith("Core ML")})
        if producers:
            lines.append(f"Core ML numbers were produced by: {'; '.join(producers)}.")
            if not any(producer.startswith("Core ML on ") for producer in producers):
                lines.append(
                    "Core ML itself did not run: it exists on macOS and iOS only. Fused operators of the Neural Engine "
                    "and the GPU are not modelled."
                )
        return lines


_REPORT = TypeAdapter(Report)


def to_json(report: Report) -> bytes:
    """The report as indented JSON, headlines first; infinities are the strings ``Infinity`` and ``-Infinity``."""
    return json.dumps({"headlines": report.headlines} | json.loads(_REPORT.dump_json(report)), indent=1).encode()


def is_report(path: Path) -> bool:
    """Whether a file is a stored report, be it of another version."""
    try:
        with plain_file(path).open("rb") as file:
            return file.read(len(BEGINNING)) == BEGINNING
    except OSError:
        return False


def read(folder: Path) -> Report:
    """The report stored in ``folder``.

    Raises:
        ReportError: there is none, or it was not written by this version.
    """
    path = folder / FILE_NAME
    try:
        return _REPORT.validate_json(plain_file(path, LARGEST).read_bytes())
    except FileNotFoundError as error:
        raise ReportError(f"No report at '{path}': make one with 'pe-validate run'.") from error
    except (OSError, ValidationError) as error:
        raise ReportError(f"'{path}' is not a report of this version: run 'pe-validate run' again.") from error
