"""The verdict of one gate on one case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pe_validate.data.case import Case
from pe_validate.data.comparison import Comparison
from pe_validate.data.limits import Tolerance
from pe_validate.data.tasks import Accuracy, Agreement, Neighbours

Status = Literal["pass", "fail"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Pass or fail, and a sentence that explains why.

    ``gate`` is the gate's name. ``layers`` names the layers whose weights are wrong.
    """

    case: Case
    gate: str
    status: Status
    sentence: str
    reference: str = ""
    producer: str = ""
    worst: Comparison | None = None
    comparisons: dict[str, Comparison] | None = None
    tolerance: Tolerance | None = None
    agreement: Agreement | None = None
    accuracy: Accuracy | None = None
    layers: tuple[str, ...] = ()
    moved: tuple[Neighbours, ...] = ()
    """Queries whose neighbours changed most, if any did."""
