"""compression: every matrix in a package is stored as its precision promises, and nothing else is compressed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.structure import Weight
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide
from pe_validate.targets.registry import recipe, target_of

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence

WHOLE_NUMBERS: Final = ("int32", "uint32", "bool", "int8", "uint8", "int16", "uint16")
"""Types of constants that hold shapes, axes and flags."""


class CompressionGate(Gate):
    """Checks how weights are stored."""

    name = "compression"

    def required(self, subject: Subject) -> bool:
        """Require it of packages that were exported here."""
        return subject.here and subject.made_here and bool(subject.target.storage)

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Judge the storage that the package declares."""
        return judge_compression(evidence.case, evidence.structure.weights)


def judge_compression(case: Case, weights: Sequence[Weight]) -> Verdict:
    """Judge how the constant tensors of a package are stored."""
    wanted, plain = target_of(case).storage[case.precision], "float16" if recipe(case).scheme.rounds else "float32"
    matrices = [weight for weight in weights if weight.layer == "linear"]
    others = [weight for weight in weights if weight.layer != "linear"]
    wrong = [weight for weight in matrices if weight.storage != wanted]
    wrong += [weight for weight in others if weight.storage not in (plain, *WHOLE_NUMBERS)]
    if wrong:
        finding = f"'{wrong[0].name}' is stored as {wrong[0].storage}, one of {len(wrong)} that are not as wanted."
    else:
        finding = f"{len(matrices)} matrices are stored as {wanted}, every other tensor as {plain}."
    return decide(case, COMPRESSION.name, bool(matrices) and not wrong, finding)


COMPRESSION: Final = CompressionGate()
