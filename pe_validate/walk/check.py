"""Files that someone else made: which case they claim to be, and whether they are it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pe_validate.data.case import Case
from pe_validate.data.progress import Progress, quiet
from pe_validate.data.result import Result
from pe_validate.data.structure import Structure
from pe_validate.gates.base import Subject
from pe_validate.gates.evidence import Evidence
from pe_validate.models.registry import model_named
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import UsageError
from pe_validate.targets.base import Target
from pe_validate.targets.registry import targets
from pe_validate.walk.walk import examine


@dataclass(frozen=True)
class Claim:
    """The case that a file claims to be, and what was read of the file to know it."""

    path: Path
    case: Case
    structure: Structure


def claimed(path: Path, model: str, precision: str | None = None) -> Claim:
    """Return the case that a file claims to be, by its suffix; the file itself says in what it computes.

    Raises:
        UsageError: there is no such file, model, target or precision.
        RunError: the file cannot be read.
    """
    suffixes: dict[str, Target] = {}
    for each in targets().values():  # of those that share a last suffix the first is the likely one
        suffixes.setdefault(f".{each.suffix.rpartition('.')[2]}", each)
    if path.suffix not in suffixes:
        raise UsageError(f"'{path}' is none of {', '.join(suffixes)}.")
    likely = suffixes[path.suffix]
    structure = likely.structure(path) if path.exists() and _needed(likely, precision) else Structure()
    target = next((t for t in _told_by_structure() if t.claims(path, structure)), likely)
    if precision not in (None, *target.precisions):
        raise UsageError(f"'{target.name}' is validated in {', '.join(target.precisions)}, not in '{precision}'.")
    if not path.exists():
        raise UsageError(f"There is nothing at '{path}'.")
    name = model_named(model).name
    return Claim(path, Case(name, target.name, precision or target.precision_of(path, structure)), structure)


def _needed(target: Target, precision: str | None) -> bool:
    """Whether a file has to be read to know what it claims: of programs, always, for others may share the suffix."""
    return precision is None or bool(target.operands)


def _told_by_structure() -> Iterator[Target]:
    """Targets that share the last suffix of another one's files."""
    for target in targets().values():
        if any(target.suffix != other.suffix and target.suffix.endswith(other.suffix) for other in targets().values()):
            yield target


def check(
    claim: Claim, reference: Reference, *, output: str | None = None, again: str = "", progress: Progress = quiet
) -> Result:
    """Judge a file that someone else made; ``output`` picks one of several.

    Its graph is not known, so identity takes the place of fidelity: its mathematics against the model.

    Raises:
        RunError: the file cannot be read or executed.
    """
    progress(claim.case, "run")
    subject = Subject(claim.case, reference.weights.spec, made_here=False)
    structure = claim.structure if claim.structure.delegation else None
    return examine(Evidence(subject, claim.path, reference, structure=structure, output=output), again)
