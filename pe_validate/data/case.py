"""A case: one model, on one target, in one precision."""

from __future__ import annotations

from dataclasses import dataclass


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
