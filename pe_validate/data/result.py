"""The result of the walk for one case: its artifact, and the verdict of every gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.counts import Count
from pe_validate.data.diagnosis import Diagnosis
from pe_validate.data.execution import Execution
from pe_validate.data.explanation import Explanation
from pe_validate.data.latency import Latency
from pe_validate.data.provenance import File
from pe_validate.data.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Result:
    """The result for one case: its artifact, the verdicts, and the seconds that each stage took."""

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
    """In bytes; see :func:`~pe_validate.measure.memory.peak_memory`."""
    half_sums: dict[int, float] | None = None
    """SNR in dB by number of terms; see :mod:`pe_validate.measure.half_sums`."""
    explanation: Explanation | None = None
    """The place where a failure begins."""
    unexplained: str | None = None
    """The reason why that place is not known."""
    profile: str | None = None
    """The arm64 profile that it ran on; None if it ran on this machine."""
    execution: Execution | None = None
    """The kernels that ran there, and their cost."""
    diagnosis: Diagnosis | None = None
    """The known mistake that the failure comes from."""
    notes: tuple[str, ...] = ()
    """What is known of the artifact that no gate judges."""
    weights_notes: tuple[str, ...] = ()
    """What was taken of a checkpoint, and what was left alone, where that is not all of it."""
    judged: File | None = None
    """The file that was judged, if someone else made it."""

    def __iter__(self) -> Iterator[Artifact | tuple[Verdict, ...] | None]:
        """Unpack as ``artifact, verdicts``, the pair that ``validate`` used to return."""
        return iter((self.artifact, self.verdicts))

    @property
    def name(self) -> str:
        """The case, and the profile that it ran on if there is one."""
        return f"{self.case} on {self.profile}" if self.profile else str(self.case)

    @property
    def status(self) -> Literal["pass", "fail", "error"]:
        """The outcome; a stage that could not do its work is an error, and so is a required gate without a verdict."""
        if self.error is not None or not self.verdicts:
            return "error"
        if any(verdict.status != "pass" for verdict in self.verdicts):
            return "fail"
        return "error" if self.missing else "pass"

    @property
    def missing(self) -> tuple[str, ...]:
        """Required gates without a verdict."""
        return tuple(gate for gate in self.required if self.verdict(gate) is None)

    @property
    def sentences(self) -> tuple[str, ...]:
        """What is wrong, where, why, and the command that shows it again; empty if nothing is wrong."""
        if self.status == "pass":
            return ()
        said = [self.error] if self.error else []
        if self.status == "error" and not self.error:
            said.append(f"{self.name} has not passed: nothing judged its {', '.join(self.missing) or 'answers'}.")
        said += [verdict.sentence for verdict in self.verdicts if verdict.status != "pass"]
        said += [each.sentence for each in (self.diagnosis, self.explanation) if each]
        said += [self.unexplained] if self.unexplained else []
        return (*said, f"See it again: {self.again}")

    def verdict(self, gate: str) -> Verdict | None:
        """Return the verdict of a gate, or None if it gave none."""
        return next((verdict for verdict in self.verdicts if verdict.gate == gate), None)
