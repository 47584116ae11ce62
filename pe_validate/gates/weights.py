"""weights: a program stores the weights of the lowered graph byte for byte, and none of its constants was altered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.structure import Delegation
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import Gate, Subject, decide

if TYPE_CHECKING:
    from pe_validate.gates.evidence import Evidence


class WeightsGate(Gate):
    """Compares constants by their digests."""

    name = "weights"

    def required(self, subject: Subject) -> bool:
        """Require it of programs that name their constants."""
        return subject.here and subject.target.keeps_constants

    def judge(self, evidence: Evidence) -> Verdict | None:
        """Compare the constants with those of the lowered graph, if it is known."""
        found = evidence.structure.delegation
        if found is None:
            return None
        known = evidence.subject.made_here
        return judge_weights(evidence.case, found, evidence.reference.constants(evidence.case) if known else {})


def judge_weights(case: Case, delegation: Delegation, graph: Mapping[str, str]) -> Verdict:
    """Judge a program's constants; ``graph`` maps the names of layers to digests, and is empty if it is unknown."""
    lost = [name for name, digest in graph.items() if digest not in delegation.constants]
    wrong = lost or list(delegation.altered)
    passes = not wrong and (bool(delegation.constants) or not graph)
    if not delegation.constants:
        finding = "it names none of its constants" + (", and its graph has some." if graph else ".")
    elif wrong:
        what = "was altered since it was written" if delegation.altered else "of the graph is not in the program"
        finding = f"'{wrong[0]}' {what}, one of {len(wrong)} of its {len(delegation.constants)} constants."
    else:
        finding = f"{len(delegation.constants)} constants are as written"
        finding += f", and all {len(graph)} of the graph's layers are among them." if graph else "."
    return replace(decide(case, WEIGHTS.name, passes, finding), layers=tuple(lost))


WEIGHTS: Final = WeightsGate()
