"""The inspection of an artifact: everything that a person may ask of a file before it is run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from pe_validate.data.structure import Weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A difference between two files: its subject, and what each of them says; empty where one has no such thing."""

    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """The inspection of one function of an artifact; formats add what only they say.

    ``results``: number of computed values by declared type, without conversions. ``macs``: multiply-accumulates by
    operator; empty if they are not counted. ``changes``: how it differs from the file that it is compared with.
    """

    path: Path
    bytes: int
    functions: tuple[str, ...]
    function: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: dict[str, int]
    results: dict[str, int]
    weights: tuple[Weight, ...] = field(repr=False)
    macs: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What is known of it that no gate judges, each in a sentence."""
    changes: tuple[Change, ...] | None = None

    @property
    def particulars(self) -> dict[str, str]:
        """What only this format says, by the words for it."""
        return {}

    @property
    def storage(self) -> dict[str, int]:
        """Bytes of weights by storage, the largest first."""
        found: Counter[str] = Counter()
        for weight in self.weights:
            found[weight.storage] += weight.bytes
        return dict(found.most_common())

    def largest(self, count: int = 10) -> tuple[Weight, ...]:
        """Return the weights that take the most bytes on disk."""
        return tuple(sorted(self.weights, key=lambda weight: -weight.bytes)[:count])


def typed(name: str, dtype: str, shape: tuple[int | None, ...]) -> str:
    """Return an input or output in words, such as ``image: float32[1, 3, ?, ?]``; None is an axis of any length."""
    return f"{name}: {dtype}[{', '.join('?' if n is None else str(n) for n in shape)}]"
