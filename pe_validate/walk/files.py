"""Files in place of exported cases: what a user's own build makes is what is timed, emulated, bundled and tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pe_validate.case import select
from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.machines.isolation import opened
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import load_weights
from pe_validate.system.errors import UsageError
from pe_validate.system.files import digest, size
from pe_validate.walk.check import Claim, claimed, suffixes


def chosen(
    words: Sequence[str], model: str | None, weights: str = DEFAULT_WEIGHTS
) -> tuple[tuple[Case, ...], dict[Case, Artifact]]:
    """Return the cases that ``words`` name, and the artifacts of those that are files and claim to be ``model``.

    A word is a file if it ends as files of a target do; the others are cases or their beginnings.

    Raises:
        UsageError: a word names nothing, no model is named, or two files claim to be the same case.
        LoadError: the weights cannot be loaded.
        RunError: a file cannot be opened.
    """
    files = [word for word in words if is_file(word)]
    found = {case: adopted(claim, weights) for case, claim in claims(files, model).items()}
    cases = select([word for word in words if word not in files]) if len(files) < len(words) else ()
    return tuple(dict.fromkeys((*found, *cases))), found


def claims(files: Sequence[str], model: str | None) -> dict[Case, Claim]:
    """Return files by the case of ``model`` that each claims to be.

    Raises:
        UsageError: no model is named, a file does not exist, or two claim to be the same case.
        RunError: a file cannot be read.
    """
    if files and model is None:
        raise UsageError(f"'{files[0]}' is a file: say which model it is.")
    found: dict[Case, Claim] = {}
    for word in files:
        claim = claimed(Path(word), str(model))
        if claim.case in found:
            raise UsageError(f"'{found[claim.case].path}' and '{word}' both claim to be {claim.case}: name one.")
        found[claim.case] = claim
    return found


def is_file(word: str) -> bool:
    """Return whether a word on the command line names a file rather than cases."""
    return Path(word).suffix in suffixes()


def adopted(claim: Claim, weights: str = DEFAULT_WEIGHTS) -> Artifact:
    """Return the artifact of a file that someone else made, as the file declares it.

    Raises:
        LoadError: the weights cannot be loaded.
        RunError: it cannot be opened.
    """
    case = claim.case
    loaded = load_weights(case.model, weights)
    with opened(case, claim.path) as runtime:
        inputs, outputs = runtime.inputs, runtime.outputs
    return Artifact(
        case=case,
        path=claim.path,
        sha256=digest(claim.path),
        size=size(claim.path),
        inputs=inputs,
        outputs=outputs,
        weights=loaded.spec,
        weights_sha256=loaded.sha256,
        tools={},
        seconds=0.0,
        delegation=claim.structure.delegation,
        made_here=False,
    )
