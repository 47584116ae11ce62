"""Render an explanation as a plain-text chart of the agreement at every place, from the image to the features."""

from __future__ import annotations

from math import isfinite
from typing import Final

from pe_validate.data.explanation import Explanation

WIDTH: Final = 40
"""Characters of a full bar."""

FULL_SCALE_DB: Final = 160.0
"""SNR at which a bar is full; float32 arithmetic alone ends near 120 dB."""


def filled(snr_db: float) -> float:
    """Return the fraction of the bar that an SNR fills, from 0 to 1; 0 for NaN."""
    return min(max(0.0, snr_db / FULL_SCALE_DB), 1.0)


def to_chart(explanation: Explanation) -> str:
    """Return a line for each place: its name, a bar, its SNR in dB, and the artifact's closest value."""
    names = max((len(step.place) for step in explanation.steps), default=0)
    lines = []
    for step in explanation.steps:
        bar = "█" * round(WIDTH * filled(step.snr_db))
        number = f"{step.snr_db:6.1f} dB" if isfinite(step.snr_db) else "equal    " if step.snr_db > 0 else "lost     "
        mark = " ← here" if step.place == explanation.place else ""
        lines.append(f"{step.place:<{names}}  {bar:<{WIDTH}}  {number:>9}  {step.value}{mark}")
    return "\n".join(lines)
