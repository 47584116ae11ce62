"""A ledger of the gates that a test run has judged, cell by cell: a cell is one gate of one case.

A run that was asked for cells and did not judge them does not pass, whatever the reason: the tests were skipped,
deselected, expected to fail, or never collected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pe_validate.case import Case, select


def entry(case: Case, gates: Iterable[str]) -> str:
    """Return the record of a test: its case and gates, as JSON."""
    return json.dumps({"case": str(case), "gates": sorted(gates)})


@dataclass
class Ledger:
    """The gates that passed, by case."""

    judged: dict[Case, set[str]] = field(default_factory=dict)

    def enter(self, recorded: str) -> None:
        """Add the record of one test."""
        found = json.loads(recorded)
        (case,) = select([found["case"]])
        self.judged.setdefault(case, set()).update(found["gates"])

    def missing(self, cases: Sequence[Case], weights: str, *, made_here: bool = True) -> list[str]:
        """Return one sentence for each case with a required gate that was not judged."""
        from pe_validate.gates.base import Subject
        from pe_validate.gates.registry import required

        problems = []
        for case in cases:
            lost = [
                gate for gate in required(Subject(case, weights, made_here)) if gate not in self.judged.get(case, ())
            ]
            if lost:
                problems.append(f"{case}: nothing that passed has judged {', '.join(lost)}.")
        return problems or ([] if cases else ["no case was selected."])
