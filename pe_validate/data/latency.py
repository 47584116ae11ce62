"""Latency of one runtime beside others: ratios with intervals, and the budget for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import ConfigDict, Field

Outcome = Literal["pass", "fail", "inconclusive"]

PositiveNumber = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
STRICT: Final = ConfigDict(extra="forbid")
"""Configuration for hand-written rows: an unknown key is a mistake."""


BUSY: Final = 0.1
"""Fraction of the machine that others may use while something is timed."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The largest permitted ratio of a program's time to the baseline's, and the reason for it."""

    __pydantic_config__ = STRICT

    ratio: PositiveNumber
    reason: Text


@dataclass(frozen=True, slots=True)
class Ratio:
    """The median of paired ratios, and its 95 % bootstrap interval."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} – {self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Latency:
    """The latency of one runtime: its median in ms, and the ratio of its time to each rival's.

    The budget applies to the first rival, which is the baseline.
    """

    model: str
    subject: str
    threads: int
    rounds: int
    median_ms: float
    ratios: dict[str, Ratio] = field(hash=False)
    utilisation: float
    """Useful operations per second, as a fraction of those of a large float32 matrix product in the same run."""
    budget: Budget | None = None
    others: float = 0.0
    """Fraction of the machine that other processes used meanwhile."""
    paired: dict[str, tuple[float, ...]] = field(default_factory=dict, hash=False)
    """The ratios of :attr:`ratios`, one for each round."""

    @property
    def disturbed(self) -> bool:
        """True if the machine was too busy with something else for the ratios to mean anything."""
        return self.others > BUSY

    @property
    def outcome(self) -> Outcome | None:
        """The verdict on the budget; None if there is no budget.

        It is inconclusive if the interval contains the limit, or if the machine was busy.
        """
        if self.budget is None:
            return None
        if self.disturbed:
            return "inconclusive"
        found = next(iter(self.ratios.values()))
        if found.high <= self.budget.ratio:
            return "pass"
        return "fail" if found.low > self.budget.ratio else "inconclusive"
