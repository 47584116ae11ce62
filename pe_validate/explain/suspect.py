"""What is to be diagnosed: answers that are not a model's, and what they were held to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.case import Case
from pe_validate.data.compare import compare
from pe_validate.data.outputs import Outputs, entries
from pe_validate.data.verdict import Verdict
from pe_validate.gates.base import MisfitError
from pe_validate.gates.evidence import Evidence
from pe_validate.gates.fidelity import FIDELITY
from pe_validate.gates.gelu import GELU
from pe_validate.gates.identity import IDENTITY
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.rewrite import REWRITE
from pe_validate.inputs.images import Sample
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import RunError
from pe_validate.targets.registry import recipe, target_of

if TYPE_CHECKING:
    from torch import nn

Array = NDArray[np.float64]

OF_FORM: Final[tuple[NumbersGate, ...]] = (REWRITE, GELU)
OF_ARTIFACT: Final[tuple[NumbersGate, ...]] = (FIDELITY, IDENTITY, LOSS)
"""The gates whose failures are diagnosed, the first first: what is wrong there is wrong in the later ones."""

NEARLY_DB: Final = 12.0
"""An input shows the error well if it is at most this much smaller than on the input that shows it best."""

Ask = Callable[..., Array]
"""A function from inputs, an array each, to features."""


@dataclass(frozen=True)
class Suspect:
    """The answers ``found``, by input, of something that should compute ``module``, for floats of type ``dtype``.

    They are those of one of its outputs, the one at the place ``output``.

    ``limit_db`` is the agreement that ``module`` must have with ``found``, ``noise_db`` the one that the float32 model
    must have. ``expected`` are the answers of ``module``. ``forms`` returns what it may have been made
    of, with what the file stores in the place of its tensors. ``labels`` gives what the case would answer in other
    precisions, by name. ``place`` is where it first leaves its model, if that is known.
    """

    case: Case
    gate: str
    reference: Reference
    found: Mapping[str, NDArray[np.float32]]
    expected: Mapping[str, NDArray[np.float32]]
    module: nn.Module
    dtype: str
    limit_db: float
    noise_db: float
    labels: Mapping[str, Callable[[], Labelled]] = field(default_factory=dict)
    place: str | None = None
    forms: Callable[[], Sequence[Form]] = tuple
    output: int = 0

    @cached_property
    def graph(self) -> Ask:
        """The function that ``module`` computes, for float32 inputs."""
        return asking(self.module, self.dtype, self.output)

    @cached_property
    def trained(self) -> Mapping[str, NDArray[np.float32]]:
        """The answers of the float32 model."""
        return of_output(self.reference, self.reference.trained, self.output)

    @cached_property
    def graph_differs(self) -> bool:
        """True if ``module`` is not the float32 model itself."""
        return any(not np.array_equal(value, self.trained[name]) for name, value in self.expected.items())

    @cached_property
    def samples(self) -> Sequence[Sample]:
        """The inputs that it answered, those that show the error well first."""
        known = [sample for sample in self.reference.inputs if sample.name in self.found]
        errors = {sample.name: self._error(sample.name) for sample in known}
        worst = min(errors.values())
        return sorted(known, key=lambda sample: errors[sample.name] > worst + NEARLY_DB)

    def _error(self, name: str) -> float:
        expected, found = self.expected[name], self.found[name]
        return compare(expected, found).snr_db if expected.shape == found.shape else -inf


@dataclass(frozen=True, slots=True)
class Form:
    """A module that a file may have been made of, and what the file stores under the names of its tensors."""

    module: nn.Module
    dtype: str
    stored: Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a case would answer in another precision, and the agreement that it then must have."""

    ask: Ask
    limit_db: float


def suspects_of(evidence: Evidence, verdicts: Sequence[Verdict], place: str | None = None) -> Iterator[Suspect]:
    """Yield what is to be diagnosed of an artifact that failed gates; nothing if none failed that compares it.

    The lowered form and the artifact may both be wrong, each in its own way. ``place`` is where the first of them
    leaves what it should be, if that is known.
    """
    failed = {verdict.gate for verdict in verdicts if verdict.status == "fail"}
    for gates in (OF_FORM, OF_ARTIFACT):
        gate = next((gate for gate in gates if gate.name in failed), None)
        if gate is None:
            continue
        try:
            found = _answers(gate, evidence)
        except MisfitError:
            return
        yield replace(_held_to(gate, evidence, found), place=place)
        if gate in OF_FORM and FIDELITY.name not in failed:
            return  # what is lost is lost in the form
        place = None


def _answers(gate: NumbersGate, evidence: Evidence) -> Outputs:
    """Return the answers that a gate judged."""
    if gate is REWRITE or gate is GELU:
        return evidence.reference.rewritten(evidence.case, exact=gate is REWRITE)
    return evidence.answers(gate.purpose)


def _held_to(gate: NumbersGate, evidence: Evidence, found: Outputs) -> Suspect:
    case, reference, where = evidence.case, evidence.reference, evidence.machine.rows
    limit = gate.tolerance(case, where).limit.snr_db
    noise = limit
    module: nn.Module = reference.module
    output = _worst_output(reference, found)
    dtype = "float32"
    expected: Mapping[str, NDArray[np.float32]] = of_output(reference, reference.trained, output)
    answers = of_output(reference, found, output)
    labels: dict[str, Callable[[], Labelled]] = {}
    if gate is FIDELITY:
        graph = reference.graph(case)
        module, dtype = graph.module, recipe(case).scheme.dtype
        expected = of_output(reference, reference.lowered(case), output)
        noise = LOSS.tolerance(case, where).limit.snr_db
        labels = _labels(case, reference, output)
    if gate is IDENTITY:
        labels = _labels(case, reference, output)
        module, expected, limit = _source(evidence, answers, output, limit)
    return Suspect(
        case,
        gate.name,
        reference,
        answers,
        expected,
        module,
        dtype,
        limit,
        noise,
        labels,
        forms=partial(_forms, evidence) if gate in (FIDELITY, IDENTITY) else tuple,
        output=output,
    )


def of_output(reference: Reference, outputs: Outputs, output: int) -> dict[str, NDArray[np.float32]]:
    """Return the features of one output by input, as far as there are any."""
    names = {sample.name: entries(sample.name, reference.model.interface)[output] for sample in reference.inputs}
    return {name: outputs.features[entry] for name, entry in names.items() if entry in outputs.features}


def _worst_output(reference: Reference, found: Outputs) -> int:
    """Return the place of the output that is least like the model's."""

    def agreement(output: int) -> float:
        expected, actual = (of_output(reference, each, output) for each in (reference.trained, found))
        alike = [name for name in actual if actual[name].shape == expected[name].shape]
        return min((compare(expected[name], actual[name]).snr_db for name in alike), default=-inf)

    return min(range(len(reference.model.outputs)), key=agreement)


def _forms(evidence: Evidence) -> Sequence[Form]:
    """Return the lowered graph, and the model itself where that may have been converted in its place."""
    graph = evidence.reference.graph(evidence.case)
    forms = {graph.module: recipe(evidence.case).scheme.dtype}
    if not evidence.subject.made_here:
        forms[evidence.reference.module] = "float32"
    try:
        return [Form(module, dtype, evidence.tensors(module.state_dict())) for module, dtype in forms.items()]
    except RunError:  # the vendor's runtime may run what cannot be read here
        return ()


def _labels(case: Case, reference: Reference, output: int) -> dict[str, Callable[[], Labelled]]:
    """Return the other precisions of the case's target that are computed in seconds."""
    others = [name for name in target_of(case).precisions if name != case.precision]
    others = [name for name in others if recipe(replace(case, precision=name)) != recipe(case)]

    def label(name: str) -> Labelled:
        other = replace(case, precision=name)
        graph = reference.graph(other)
        return Labelled(
            asking(graph.module, recipe(other).scheme.dtype, output), FIDELITY.tolerance(other).limit.snr_db
        )

    schemes = {name: recipe(replace(case, precision=name)).scheme for name in others}
    return {name: partial(label, name) for name in others if not (schemes[name].calibrated or schemes[name].slow)}


def _source(
    evidence: Evidence, found: Mapping[str, NDArray[np.float32]], output: int, limit: float
) -> tuple[nn.Module, Mapping[str, NDArray[np.float32]], float]:
    """Return the source of a file that is most like it, its answers, and the model's limit.

    A source has the rounding of the file, which would hide a small mistake.
    """
    reference = evidence.reference
    sample = reference.inputs[0]
    best: tuple[nn.Module, Mapping[str, NDArray[np.float32]]] = (
        reference.module,
        of_output(reference, reference.trained, output),
    )
    expected, actual = best[1][sample.name], found[sample.name]
    if actual.shape != expected.shape:
        return *best, limit
    closest = compare(expected, actual).snr_db
    lowered = reference.graph(evidence.case).module
    for source in evidence.target.sources(reference.module, lowered, evidence.path):
        ask = asking(source.module, "float32", output)
        snr = compare(ask(*sample.values), actual).snr_db
        if snr > closest:
            answers = {each.name: ask(*each.values).astype(np.float32) for each in reference.inputs}
            best, closest = (source.module, answers), snr
    return *best, limit


def asking(module: nn.Module, dtype: str = "float32", output: int = 0) -> Ask:
    """Return a function that runs a module, which takes floats of type ``dtype``, and gives one of its outputs."""
    import torch

    def ask(*given: NDArray[np.generic]) -> Array:
        typed = (each.astype(dtype) if each.dtype.kind == "f" else each for each in given)
        # Not in inference mode, where composite operators are dispatched without being decomposed.
        with torch.no_grad():
            answer = module(*map(torch.from_numpy, typed))
        answer = answer[output] if isinstance(answer, (tuple, list)) else answer
        found: Array = answer.double().numpy()
        return found

    return ask
