"""Where an artifact starts to differ from its reference, place by place."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from pe_validate.data.case import Case


@dataclass(frozen=True, slots=True)
class Step:
    """One place in the model, the artifact's value that is closest to it, and how well the two agree."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")

    place: str
    snr_db: float
    value: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The place where ``case`` starts to differ from ``reference``; ``place`` is None if it does not."""

    case: Case
    gate: str
    reference: str
    image: str
    limit_db: float
    steps: tuple[Step, ...]
    place: str | None

    @property
    def sentence(self) -> str:
        """The explanation as one sentence."""
        if self.place is None:
            return f"{self.case} stays with {self.reference} at every place, on '{self.image}'."
        at = next((number for number, step in enumerate(self.steps) if step.place == self.place), None)
        beginning = f"{self.case} leaves {self.reference} in {self.place}"
        if at is None:
            return f"{beginning}."
        before = f", {self.steps[at - 1].snr_db:.1f} dB before it" if at else ""
        return f"{beginning}: {self.steps[at].snr_db:.1f} dB there{before}, on '{self.image}'."
