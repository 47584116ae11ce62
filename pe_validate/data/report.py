"""The report of one command."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final

from pydantic import Field

from pe_validate.data.provenance import Commit, File, StageError
from pe_validate.data.result import Result

VERSION: Final = 2
"""The version of the stored form: one more with each change that an older reader would not understand.

Version 1 had no number, and nothing of where a report comes from.
"""

Picture = Annotated[str, Field(pattern=r"^data:image/(jpeg|png|webp);base64,[A-Za-z0-9+/]+={0,2}$", max_length=2**17)]
"""A small picture as a ``data:`` URL."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that one command found; :mod:`pe_validate.report.stored` makes and reads it."""

    command: str
    weights: str
    results: tuple[Result, ...]
    seconds: float
    created: datetime
    machine: str
    tools: dict[str, str] = field(hash=False)
    version: Annotated[int, Field(ge=1)] = VERSION
    errors: tuple[StageError, ...] = ()
    """What ended the command early."""
    commit: Commit | None = None
    configuration: tuple[File, ...] = ()
    """The files that name a user's own models."""
    pictures: dict[str, Picture] = field(default_factory=dict, hash=False)
    """Small pictures of inputs, by the names of these; not of all, if there are many."""

    @property
    def exit_code(self) -> int:
        """0 if every case passed, 1 if a gate failed, 3 if a stage could not do its work."""
        found = {result.status for result in self.results}
        return 3 if self.errors or "error" in found or not found else int("fail" in found)

    @property
    def headlines(self) -> list[str]:
        """The first lines of the report: the outcome, and what computed the numbers of Core ML and Core AI."""
        counts = {status: sum(r.status == status for r in self.results) for status in ("pass", "fail", "error")}
        lines = [
            f"{counts['pass']} of {len(self.results)} cases pass, {counts['fail']} fail, "
            f"{counts['error']} could not be run."
        ]
        lines += [f"Not finished: {error.sentence}" for error in self.errors]
        lines += [
            f"{result.name} is the file '{file.path}' of {file.size:,} bytes, sha256 {file.sha256}."
            for result in self.results
            if (file := result.judged)
        ]
        lines += dict.fromkeys(note for result in self.results for note in result.weights_notes)
        lines += [f"{result.name}: {note}" for result in self.results for note in result.notes]
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
        judged = [verdict for r in self.results for verdict in r.verdicts]
        producers = sorted({v.producer for v in judged if v.producer.startswith("Core ML")})
        if producers:
            lines.append(f"Core ML numbers were produced by: {'; '.join(producers)}.")
            if not any(producer.startswith("Core ML on ") for producer in producers):
                lines.append(
                    "Core ML itself did not run: it exists on macOS and iOS only. Fused operators of the Neural Engine "
                    "and the GPU are not modelled."
                )
        apple = sorted({verdict.producer for verdict in judged if verdict.producer.startswith("Core AI")})
        if apple:
            lines.append(
                f"Core AI numbers were produced by: {'; '.join(apple)}. The Neural Engine and the GPU, which may round "
                "otherwise, took no part."
            )
        return lines
