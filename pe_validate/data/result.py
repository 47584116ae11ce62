"""Where every walk ends: one case, what was made of it, and what every gate said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.counts import Count
from pe_validate.data.execution import Execution
from pe_validate.data.explanation import Explanation
from pe_validate.data.latency import Latency
from pe_validate.data.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """One case: what was made, what every gate said, how long each stage took in seconds."""

    case: Case
    seconds: dict[str, float]
    weights_sha256: str
    again: str
    """The command that repeats this case alone."""
    required: tuple[str, ...]
    """Names of the gates without which the case has not passed."""
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

    def __iter__(self) -> Iterator[Artifact | tuple[Verdict, ...] | None]:
        """Unpack as ``artifact, verdicts``, which is what ``validate`` returned before it returned a result."""
        return iter((self.artifact, self.verdicts))

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
    def missing(self) -> tuple[str, ...]:
        """Required gates that nothing judged."""
        return tuple(gate for gate in self.required if self.verdict(gate) is None)

    def verdict(self, gate: str) -> Verdict | None:
        """Return what the gate of this name said, if it was asked."""
        return next((verdict for verdict in self.verdicts if verdict.gate == gate), None)
