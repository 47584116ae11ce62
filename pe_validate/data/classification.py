"""Results of ``pe-validate accuracy``: how many images of a dataset are recognised, and what an artifact changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pe_validate.data.case import Case
from pe_validate.data.latency import Outcome


@dataclass(frozen=True, slots=True)
class Share:
    """A number of images out of all, and the 95 % Wilson interval of the fraction."""

    right: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The fraction."""
        return self.right / self.of

    def __str__(self) -> str:
        return f"{self.value:.1%} ({100 * self.low:.1f} – {100 * self.high:.1f})"


@dataclass(frozen=True, slots=True)
class Change:
    """Top-1 of an artifact minus top-1 of float32 PyTorch on the same images, in percentage points.

    ``low`` and ``high`` are its 95 % interval, ``lost`` and ``won`` the images that only PyTorch or only the artifact
    recognises, and ``p`` that of McNemar's exact test.
    """

    points: float
    low: float
    high: float
    p: float
    lost: tuple[str, ...]
    won: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.points:+.2f} ({self.low:+.2f} – {self.high:+.2f})"


@dataclass(frozen=True, slots=True)
class Classification:
    """The accuracy of one artifact, or of PyTorch itself, which changes nothing and is not judged.

    ``per_class`` is the mean over classes of the fraction that is recognised. ``limit`` is in percentage points that
    may be lost; it is None for a precision without a limit. ``task`` is empty for classes, else the direction of a
    retrieval; ``top1`` and ``top5`` are then R@1 and R@5.
    """

    case: Case
    producer: str
    identity: str
    top1: Share
    top5: Share
    per_class: float | None
    change: Change | None = None
    limit: float | None = None
    reason: str = ""
    task: str = ""

    @property
    def name(self) -> str:
        """The case, and the direction of a retrieval."""
        return f"{self.case}, {self.task}" if self.task else str(self.case)

    @property
    def outcome(self) -> Outcome | None:
        """Pass or fail if the whole interval of the loss is on one side of the limit, else inconclusive."""
        if self.change is None or self.limit is None:
            return None
        if -self.change.low <= self.limit:
            return "pass"
        return "fail" if -self.change.high > self.limit else "inconclusive"

    @property
    def sentence(self) -> str:
        """The finding in a sentence; empty for PyTorch itself."""
        change = self.change
        if change is None:
            return ""
        way = "loses" if change.points <= 0 else "wins"
        said = (
            f"{self.name} {way} {abs(change.points):.2f} points against float32 ({self.producer}; 95 % interval "
            f"{change.low:+.2f} to {change.high:+.2f}): of {self.top1.of} {len(change.lost)} are no longer "
            f"recognised and {len(change.won)} newly, p = {change.p:.2g}"
        )
        if self.limit is None:
            return f"{said}; there is no limit for its precision."
        if self.outcome == "inconclusive":
            return f"{said}; whether it keeps to {self.limit:g} points cannot be told: give it more images."
        if self.outcome == "pass":
            return f"{said}; {self.limit:g} points may be lost."
        return f"{said}; only {self.limit:g} points may be lost, because {self.reason}"


@dataclass(frozen=True, slots=True)
class Task:
    """What is asked of the images of a dataset: to be recognised among ``classes``, or to find their ``captions``.

    ``method`` completes "by". ``imagenet``: it is what published accuracies are of, zero-shot on ImageNet-1k.
    """

    dataset: str
    method: str
    classes: int = 0
    captions: int = 0
    imagenet: bool = False


@dataclass(frozen=True, slots=True)
class AccuracyReport:
    """Everything that one ``pe-validate accuracy`` found. ``broken`` has the images that could not be read, and why."""

    command: str
    weights: str
    task: Task
    images: int
    broken: dict[str, str] = field(hash=False)
    rows: tuple[Classification, ...]
    published: dict[str, float] = field(hash=False)
    """By model, the zero-shot accuracy on ImageNet-1k that was published, in per cent; it is never judged."""
    machine: str
    created: datetime

    @property
    def exit_code(self) -> int:
        """0 unless a row fails, which is 1."""
        return int(any(row.outcome == "fail" for row in self.rows))

    @property
    def headlines(self) -> list[str]:
        """The first lines: what was classified and how, and what could not be read."""
        task = self.task
        kinds = f"with {task.captions} captions" if task.captions else f"of {task.classes} classes"
        lines = [f"{self.images} images {kinds} in '{task.dataset}', by {task.method}."]
        if self.broken:
            listed = ", ".join(f"'{name}'" for name in list(self.broken)[:3])
            further = f" and {len(self.broken) - 3} more" if len(self.broken) > 3 else ""
            lines.append(f"{len(self.broken)} images could not be read and are not counted: {listed}{further}.")
        for row in self.rows:
            if row.change is None and (known := self.published.get(row.case.model)) is not None:
                here = f"measured: {row.top1.value:.1%}" if task.imagenet else "not measured here"
                lines.append(f"{row.case.model} is published with {known:.1f}% zero-shot on ImageNet-1k; {here}.")
        return lines
