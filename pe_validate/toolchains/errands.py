"""What the Python of another environment is asked to do, by name."""

from __future__ import annotations

from pathlib import Path

from pe_validate.data.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.models.registry import model_named
from pe_validate.targets.open import load, run
from pe_validate.targets.registry import target_named


def answers(case: Case, path: Path, photographs: Path | None) -> Outputs:
    """Return what a file of ``case`` answers in this process, in the reading that is closest to a device.

    Raises:
        RunError: it cannot be loaded or executed.
    """
    model, target = model_named(case.model), target_named(case.target)
    runtime = load(path, case.target, target.reading(case.precision, "model"), threads=1)
    runtime.interface = model.interface
    return run(runtime, model.feed.samples(photographs))


def operators(case: Case, path: Path) -> dict[str, int]:
    """Return the number of operators in a file of ``case``, by type."""
    return dict(target_named(case.target).operators(path))
