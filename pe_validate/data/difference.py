"""What one report says that another one does not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from pe_validate.data.provenance import Commit

Kind = Literal["regression", "improvement", "change"]
Aspect = Literal[
    "limit", "stages", "case", "gate", "numbers", "delegation", "operators", "size", "instructions", "memory", "latency"
]

ORDER: Final[tuple[Kind, ...]] = ("regression", "improvement", "change")
ASPECTS: Final[tuple[Aspect, ...]] = (
    *("limit", "stages", "case", "gate", "numbers", "delegation", "operators", "size", "instructions", "memory"),
    "latency",
)
"""What findings are of, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two reports."""

    path: str
    command: str
    created: datetime
    machine: str
    commit: Commit | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is different; ``base`` and ``head`` are what each report says, in words.

    ``subject`` is a gate, or the aspect where that is of no gate.
    """

    case: str
    subject: str
    aspect: Aspect
    kind: Kind
    base: str
    head: str
    why: str = ""
    """What more is known of it."""
    allowed: str | None = None
    """The reason for which a regression is accepted."""

    @property
    def name(self) -> str:
        """The name by which it is allowed, such as ``PE-Nano/pte/fp32/loss``."""
        return f"{self.case}/{self.subject}"

    @property
    def blocks(self) -> bool:
        """True for a regression that nobody has accepted."""
        return self.kind == "regression" and self.allowed is None


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything that has changed from ``base`` to ``head``; ``notes`` say what the two have in common, and what not.

    ``compared`` is the number of cases that are in both.
    """

    base: Side
    head: Side
    compared: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 if there is a regression that nobody has accepted, else 0."""
        return int(any(finding.blocks for finding in self.findings))

    @property
    def headlines(self) -> list[str]:
        """The first lines: the outcome, and what there is to know of the two reports."""
        count = {kind: sum(f.kind == kind and f.allowed is None for f in self.findings) for kind in ORDER}
        allowed = sum(finding.allowed is not None for finding in self.findings)
        cases = f"{self.compared} case{'s' * (self.compared != 1)} in both"
        counted = [f"{number} {kind}{'s' * (number != 1)}" for kind, number in count.items()]
        counted.insert(1, f"{allowed} allowed")
        return [f"{', '.join(counted)}; {cases}.", *self.notes]

    @property
    def sorted(self) -> list[Finding]:
        """The findings, what blocks first, then by :data:`ASPECTS`."""
        return sorted(self.findings, key=lambda f: (not f.blocks, ORDER.index(f.kind), ASPECTS.index(f.aspect)))
