"""A case: one model, on one target, in one precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

EAGER: Final = "eager"
"""What stands for the target where a model itself is named in the form of a case."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One model, target and precision, printed as ``PE-Core-S16-384/pte/fp32``.

    :func:`pe_validate.case.select` parses the printed form.
    """

    model: str
    target: str
    precision: str

    def __str__(self) -> str:
        return f"{self.model}/{self.kind}"

    @property
    def kind(self) -> str:
        """Target and precision, such as ``pte/fp32``."""
        return f"{self.target}/{self.precision}"


def itself(model: str) -> Case:
    """Return the name, in the form of a case, under which the float32 model itself is reported."""
    return Case(model, EAGER, "fp32")
