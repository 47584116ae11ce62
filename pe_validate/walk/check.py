"""Check files that someone else made: find the case that a file claims to be, and judge it as that case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pe_validate.data.case import Case
from pe_validate.data.contract import Contract
from pe_validate.data.progress import Progress, counting, quiet
from pe_validate.data.result import Result
from pe_validate.data.structure import Structure
from pe_validate.gates.base import Subject
from pe_validate.gates.delegation import DELEGATION
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.identity import IDENTITY
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import model_named
from pe_validate.reference.reference import Reference, of_quantised
from pe_validate.system.errors import UsageError
from pe_validate.system.nursery import prepare
from pe_validate.targets.base import Target
from pe_validate.targets.registry import target_of, targets
from pe_validate.walk.walk import examine


@dataclass(frozen=True)
class Claim:
    """The case that a file claims to be, and the structure that was read from the file to find out.

    ``unlisted`` is the precision of the file in words, if its target is not validated in it.
    """

    path: Path
    case: Case
    structure: Structure
    unlisted: str | None = None


def claimed(path: Path, model: str, precision: str | None = None) -> Claim:
    """Return the case that a file claims to be, by its suffix and, where that is not enough, its content.

    Raises:
        UsageError: there is no such file, model, target or precision.
        RunError: the file cannot be read.
    """
    name = model_named(model).name  # before the file is read
    known = suffixes()
    if path.suffix not in known:
        raise UsageError(f"'{path}' is none of {', '.join(known)}.")
    likely = known[path.suffix]
    if path.exists():
        prepare(likely.preload)  # another process imports its libraries while this one imports its own
    structure = likely.structure(path) if path.exists() and _must_read(likely, precision) else Structure()
    target = next((t for t in _targets_sharing_suffix() if t.claims(path, structure)), likely)
    if precision not in (None, *target.precisions):
        raise UsageError(f"'{target.name}' is validated in {', '.join(target.precisions)}, not in '{precision}'.")
    if not path.exists():
        raise UsageError(f"There is nothing at '{path}'.")
    case = Case(name, target.name, precision or target.precision_of(path, structure))
    return Claim(path, case, structure, None if precision else target.unlisted_precision(structure))


def suffixes() -> dict[str, Target]:
    """Return the likely target of a file by its last suffix: those of files that targets write, then others."""
    found: dict[str, Target] = {}
    for each in targets().values():  # of targets that share a last suffix, the first is the likely one
        found.setdefault(f".{each.suffix.rpartition('.')[2]}", each)
    for each in targets().values():
        for suffix in each.other_suffixes:
            found.setdefault(suffix, each)
    return found


def _must_read(target: Target, precision: str | None) -> bool:
    """Return whether the file must be read to know its case; programs always, since targets share their suffix."""
    return precision is None or bool(target.operands)


def _targets_sharing_suffix() -> Iterator[Target]:
    """Yield the targets whose suffix ends in another target's suffix."""
    for target in targets().values():
        if any(target.suffix != other.suffix and target.suffix.endswith(other.suffix) for other in targets().values()):
            yield target


def structure_of(claim: Claim) -> Structure:
    """Return the structure of a file, read now if it was not needed to know the case.

    Raises:
        RunError: the file cannot be read.
    """
    return claim.structure if claim.structure != Structure() else target_of(claim.case).structure(claim.path)


def as_handed_over(reference: Reference, structure: Structure) -> Reference:
    """Return the reference with what an app can hand over to such a file: pixels, integers, or the model's inputs.

    Raises:
        RunError: it takes pixels, and how the model's inputs are made from pixels is not known.
    """
    if structure.quantised:
        return of_quantised(reference, structure.quantised)
    if not structure.takes_pixels:
        return reference
    from pe_validate.reference.pixels import of_pixels

    return of_pixels(reference)


def check(
    claim: Claim,
    reference: Reference,
    *,
    output: str | None = None,
    contract: Contract | None = None,
    again: str = "",
    progress: Progress = quiet,
) -> Result:
    """Judge a file that someone else made; ``output`` names the output to judge if it has several.

    ``contract`` are the differences to the model's interface that are meant; it is fed so.

    The graph that it was lowered from is unknown, so the identity gate, which compares the file's graph with the model,
    takes the place of fidelity.

    Raises:
        RunError: the file cannot be read or executed.
    """
    progress(claim.case, "run")
    structure = structure_of(claim)
    reference = as_handed_over(reference, structure)
    subject = Subject(claim.case, reference.weights.spec, made_here=False, unlisted=claim.unlisted)
    counted = counting(progress, claim.case, "run")
    evidence = Evidence(
        subject, claim.path, reference, structure=structure, output=output, accepted=contract, counted=counted
    )
    result = examine(evidence, again)
    return _advised(result, reference.weights.spec)


def _advised(result: Result, weights: str) -> Result:
    """Return a result with advice on a file that is right but in pieces, and on one held to the default weights."""
    failed = [verdict for verdict in result.verdicts if verdict.status != "pass"]
    identity = result.verdict(IDENTITY.name)
    if identity in failed and weights == DEFAULT_WEIGHTS:
        forgotten = (
            f" It was held to the default weights '{weights}', which are random numbers: name those that it was made "
            "with by --weights."
        )
        return _with_advice(result, IDENTITY.name, forgotten)
    if [verdict.gate for verdict in failed] != [DELEGATION.name] or not (identity and identity.worst):
        return result
    advice = (
        f" Its numbers are the model's ({identity.worst.snr_db:.0f} dB): it is right but slow, since data is copied "
        f"between pieces; 'pe-validate export {result.case} --out DIR' writes the same model as one call."
    )
    return _with_advice(result, DELEGATION.name, advice)


def _with_advice(result: Result, gate: str, advice: str) -> Result:
    verdicts = (replace(v, sentence=v.sentence + advice) if v.gate == gate else v for v in result.verdicts)
    return replace(result, verdicts=tuple(verdicts))
