"""Is a float16 Core ML package that someone else made this model? Exactly, where it is known how it was made.

Rounding weights to float16 costs up to 57 dB, and hides every fault that costs less. But it costs what it costs in the
graph whose weights were rounded: a package that was converted from the tower as it is, or from the rewrite, agrees with
eager PyTorch to 120 dB when the same constants are rounded there.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pe_validate.case import Case
from pe_validate.data.comparison import compare
from pe_validate.gates.limits import rows
from pe_validate.gates.verdicts import Verdict, judge
from pe_validate.mil.matrices import digests, matrices
from pe_validate.reference.reference import Reference
from pe_validate.targets.coreml.rounding import Rounded
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import Outputs, run
from pe_validate.targets.pte_coreml.embedded import embedded

MOST: Final = 2 / 3
"""Share of a form's weights that a package must store to be taken for it. The tower and its rewrite share less."""

UNKNOWN: Final = (
    " The form in which it was converted is not known, since it stores other matrices than the tower and than the "
    "rewrite do: what costs less than rounding weights, such as a GELU by tanh, is not seen."
)


@dataclass(frozen=True)
class Form:
    """A graph that the model may have been converted from, and its weights by digest."""

    runtime: EagerRuntime
    weights: Mapping[str, int]

    def share(self, stored: frozenset[str]) -> float:
        """Of its weights, how many are ``stored``."""
        return sum(n for digest, n in self.weights.items() if digest in stored) / sum(self.weights.values())


def forms(case: Case, model: Reference) -> tuple[Form, ...]:
    """Those that are known: the rewrite, and the tower with attention in parts (up to iOS 17) or whole."""
    found = []
    for apart, name in ((True, "attention in parts"), (False, "attention whole")):
        runtime = EagerRuntime(Rounded(model.tower, apart=apart), model.tower.config)
        runtime.producer += f" (the tower, {name}, constants rounded to float16)"
        found.append(Form(runtime, digests(model.tower.state_dict().values())))
    graph = model.graph(case)
    rewrite = EagerRuntime(graph.module, model.tower.config)
    rewrite.producer += " (the rewrite, constants rounded to float16)"
    return (*found, Form(rewrite, digests(graph.module.state_dict().values())))


def judge_identity(case: Case, path: Path, model: Reference, actual: Outputs) -> Verdict:
    """Hold a file to the form of the model that it was made of; to the model itself, more loosely, if that is unknown.

    Raises:
        RunError: the package cannot be read.
    """
    loose = judge(case, "identity", model.trained, actual)
    row = rows(case).form
    if row is None or not loose.comparisons:
        return loose
    first = model.inputs[0]
    with embedded(path) if path.suffix == ".pte" else nullcontext(path) as package:
        stored = matrices(package)

    def likeness(form: Form) -> tuple[bool, float]:
        snr_db = compare(form.runtime.run(first.image), actual.features[first.name]).snr_db
        return form.share(stored) >= MOST, snr_db

    form = max(forms(case, model), key=likeness)
    strict = judge(case, "identity", run(form.runtime, model.inputs), actual, row=row)
    if strict.status == "pass" or form.share(stored) >= MOST:
        return strict
    return replace(loose, sentence=loose.sentence + UNKNOWN)
