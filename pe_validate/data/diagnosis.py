"""Which known mistake makes an artifact answer as it does."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from pydantic import ConfigDict

from pe_validate.data.case import Case


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The mistake that explains the error of ``case``; ``names`` is empty if none does.

    ``names`` are the mistakes that hold together, ``saying`` completes "it is the model …". ``snr_db`` is the agreement
    of the artifact with the model so altered, ``before_db`` with the model as it should be, ``next_db`` with the next
    likely alteration, each on the worst of the inputs that were asked; ``tried`` is the number of alterations.
    """

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")

    case: Case
    gate: str
    names: tuple[str, ...]
    saying: str
    snr_db: float
    before_db: float
    next_db: float
    tried: int
    seconds: float

    @property
    def sentence(self) -> str:
        """The diagnosis as one sentence."""
        if not self.names:
            return f"None of the {self.tried} mistakes that were tried explains how {self.case} fails {self.gate}."
        numbers = "; ".join(
            f"{words}{_decibels(number)}"
            for words, number in (("", self.snr_db), ("as it should be, ", self.before_db))
            if isfinite(number) or number > 0
        )
        return f"{self.case} is the model {self.saying}{f' ({numbers})' if numbers else ''}."


def _decibels(number: float) -> str:
    return f"{number:.0f} dB" if isfinite(number) else "equal"
