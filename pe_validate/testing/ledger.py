"""What a conversion test run has proved, cell by cell: a cell is one gate of one case.

A run that was asked for cells and did not judge them is not a pass, whatever the reason: skipped, deselected, expected
to fail, or never collected.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from pe_validate.case import Case, select

PROPERTY: Final = "pe_validate gates"
"""Of a passed test: the case and the gates that it has judged, as JSON."""


def entry(case: Case, gates: Iterable[str]) -> str:
    """What a test records."""
    return json.dumps({"case": str(case), "gates": sorted(gates)})


@dataclass
class Ledger:
    """Gates that passed, by case."""

    judged: dict[Case, set[str]] = field(default_factory=dict)

    def enter(self, recorded: str) -> None:
        """Add what one test has recorded."""
        found = json.loads(recorded)
        (case,) = select([found["case"]])
        self.judged.setdefault(case, set()).update(found["gates"])

    def missing(self, cases: Sequence[Case], weights: str) -> list[str]:
        """One sentence for each case of which a required gate was not judged."""
        from pe_validate.gates.base import Subject
        from pe_validate.gates.registry import required

        said = []
        for case in cases:
            lost = [gate for gate in required(Subject(case, weights)) if gate not in self.judged.get(case, ())]
            if lost:
                said.append(f"{case}: nothing that passed has judged {', '.join(lost)}.")
        return said or ([] if cases else ["no case was selected."])
