"""What changes for a model from one toolchain to another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import ConfigDict

from pe_validate.data.case import Case
from pe_validate.data.comparison import Comparison


@dataclass(frozen=True, slots=True)
class Side:
    """One case with one toolchain: what was made of it, and how it was judged.

    ``snr_db``: by gate, the worst SNR in dB. ``failed``: gates that failed or were not judged. ``error``: the sentence
    of a stage that could not do its work. ``bytes``: the artifact's size. ``lowering_s``: seconds to make it, also when
    it lay in the cache. ``calls`` and ``outside``: delegate calls, and operators outside of them.
    """

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")

    status: Literal["pass", "fail", "error"]
    snr_db: dict[str, float] = field(default_factory=dict, hash=False)
    failed: tuple[str, ...] = ()
    error: str | None = None
    sha256: str = ""
    bytes: int | None = None
    lowering_s: float | None = None
    calls: int | None = None
    outside: tuple[str, ...] = ()
    operators: dict[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A file made with one toolchain and run by the other: how far its answers are from those with its own."""

    maker: str
    runner: str
    change: Comparison | None = None
    refused: str | None = None
    """The reason why it does not load or run, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What changes for one case; ``between`` compares the new file's answers with the old one's, each at home.

    ``passed`` has a sentence for each limit that is passed.
    """

    case: Case
    old: Side
    new: Side
    between: Comparison | None = None
    crossings: tuple[Crossing, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def outcome(self) -> Literal["pass", "fail", "error"]:
        """``error`` if it could be judged with neither toolchain, else ``fail`` if it passes a limit."""
        if self.old.status == self.new.status == "error":
            return "error"
        return "fail" if self.passed else "pass"

    @property
    def changed_operators(self) -> dict[str, tuple[int, int]]:
        """How often the old and the new file have each operator of which they have different numbers."""
        both = ((name, self.old.operators.get(name, 0), self.new.operators.get(name, 0)) for name in self._names)
        return {name: (before, after) for name, before, after in both if before != after}

    @property
    def _names(self) -> list[str]:
        return sorted({*self.old.operators, *self.new.operators})


@dataclass(frozen=True, slots=True)
class UpgradeReport:
    """Everything that ``pe-validate upgrade`` found. ``packages``: versions of what differs, old and new."""

    command: str
    weights: str
    old: str
    new: str
    packages: dict[str, tuple[str | None, str | None]] = field(hash=False)
    rows: tuple[Difference, ...] = ()
    seconds: float = 0.0
    machine: str = ""
    created: datetime = datetime.min

    @property
    def exit_code(self) -> int:
        """0 if no limit is passed, 1 if one is, 3 if a case could be judged with neither toolchain."""
        found = {row.outcome for row in self.rows}
        return 1 if "fail" in found else 3 if "error" in found or not found else 0

    @property
    def headlines(self) -> list[str]:
        """The first lines of the report."""
        changed = sum(row.outcome == "fail" for row in self.rows)
        silent = sum(row.outcome == "error" for row in self.rows)
        files = [crossing for row in self.rows for crossing in row.crossings]
        refused = sum(crossing.refused is not None for crossing in files)
        lines = [f"From {self.old} to {self.new}: {changed} of {len(self.rows)} cases pass a limit."]
        lines += [f"{silent} could be judged with neither."] if silent else []
        lines += [f"{len(files)} files were given to the other toolchain's runtime, {refused} of them were refused."]
        named = (f"{name} {before or '–'} → {after or '–'}" for name, (before, after) in self.packages.items())
        return [*lines, f"Versions that differ: {', '.join(named) or 'none'}."]
