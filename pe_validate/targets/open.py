"""Open artifacts, and run them on images, through one interface for every runtime."""

from __future__ import annotations

from pathlib import Path

from pe_validate.data.outputs import Array, Outputs, Reading, entries
from pe_validate.data.progress import Counted, uncounted
from pe_validate.inputs.images import Sample
from pe_validate.system.errors import RunError
from pe_validate.targets.registry import target_named
from pe_validate.targets.runtime import Runtime

__all__ = ["Outputs", "Runtime", "load", "run"]


def load(path: Path, target: str, reading: Reading = "declared", threads: int | None = None) -> Runtime:
    """Open an artifact in this process.

    ``reading`` says how Core ML packages are executed; ``threads`` is the number that other runtimes use.

    Raises:
        RunError: the file is damaged or not of this target, or its name is not UTF-8.
        UsageError: there is no such target.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise RunError(f"'{path}' is not a name in UTF-8, and runtimes take no other: rename it.") from error
    return target_named(target).open(path, reading, threads)


def run(runtime: Runtime, samples: tuple[Sample, ...], counted: Counted = uncounted) -> Outputs:
    """Return the outputs for every sample, computed one at a time; ``counted`` is told how many are done.

    Raises:
        RunError: see :meth:`Runtime.run`.
    """
    features: dict[str, Array] = {}
    notes: dict[str, None] = {}
    for done, sample in enumerate(samples):
        counted(done, len(samples))
        features |= zip(entries(sample.name, runtime.interface), runtime.answer(sample.values), strict=True)
        notes |= dict.fromkeys(runtime.notes)
    dtypes = {runtime.outputs[place].dtype for place in runtime.wanted()}
    return Outputs(runtime.producer, features, tuple(notes), dtypes.pop() if len(dtypes) == 1 else "float32")
