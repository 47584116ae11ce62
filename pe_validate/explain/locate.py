"""Find the first place at which an artifact differs from its reference.

The value at each place of the reference is looked up among all values of the artifact by its numbers and not by its
name, because exporters rename, fuse and drop values. If a place is found nowhere, neither are the places after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise, takewhile
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.case import Case
from pe_validate.data.compare import compare
from pe_validate.data.explanation import Explanation, Step
from pe_validate.data.outputs import entries
from pe_validate.data.verdict import Verdict
from pe_validate.gates.fidelity import FIDELITY
from pe_validate.gates.gelu import GELU
from pe_validate.gates.identity import IDENTITY
from pe_validate.gates.loss import LOSS
from pe_validate.gates.numbers import NumbersGate
from pe_validate.gates.registry import GATES
from pe_validate.gates.rewrite import REWRITE, FormGate
from pe_validate.inputs.images import Sample
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.base import Model
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import ExplainError, RunError
from pe_validate.targets.base import Values
from pe_validate.targets.registry import recipe, target_of

Places = Mapping[str, NDArray[np.float64]]

MARGIN_DB: Final = 3.0
"""A place counts as sound if it is this far above the limit for the output, since noise grows from place to place."""

OUTPUT: Final = "output"
"""The place after all others: what an artifact does to the features at the end."""

FULL_DB: Final = 140.0
"""SNR above which differences between places do not count."""


def explain(case: Case, path: Path, reference: Reference, verdicts: Sequence[Verdict]) -> Explanation | None:
    """Return the explanation of the first failed gate that compares numbers, or None if there is no such gate.

    Raises:
        ExplainError: the artifact's values cannot be read, or its fault is smaller than the rounding of its weights.
    """
    by_gate = {verdict.gate: verdict for verdict in verdicts}
    wrong_layers = next((verdict.layers for verdict in verdicts if verdict.layers), ())
    for gate in GATES:
        failed = by_gate.get(gate.name)
        if not (gate.shows_places and isinstance(gate, NumbersGate) and failed and failed.comparisons):
            continue
        if failed.status == "pass":
            continue
        comparisons = failed.comparisons
        name = min(comparisons, key=lambda name: comparisons[name].snr_db)
        if gate is IDENTITY and comparisons[name].snr_db >= gate.tolerance(case).limit.snr_db:
            raise ExplainError(
                f"{case} leaves {failed.reference} by less than rounding weights to float16 costs, which hides the "
                "place."
            )
        found = follow(case, path, reference, gate, name)
        if not found.place and comparisons[name].snr_db < found.limit_db:
            found = _at_output(found, comparisons[name].snr_db)
        place = found.place or steepest(found.steps)
        if wrong_layers and not isinstance(gate, FormGate):
            place = reference.model.place_of_layer(wrong_layers[0]) or place
        return Explanation(case, found.gate, found.reference, name, found.limit_db, found.steps, place)
    if wrong_layers:
        place = reference.model.place_of_layer(wrong_layers[0])
        return Explanation(case, FIDELITY.name, "the graph that was lowered", "its weights", 0.0, (), place)
    return None


def follow(case: Case, path: Path, reference: Reference, gate: NumbersGate, name: str) -> Explanation:
    """Repeat the comparison of ``gate`` at every place, for the features called ``name``.

    Raises:
        ExplainError: the artifact's values cannot be read, or its model names no places.
    """
    (given,) = _sample(reference, name).values
    limit = gate.tolerance(case).limit.snr_db
    wanted, whose = _expected(case, reference, gate, given)
    if not wanted:
        raise ExplainError(f"{case.model} names no places inside it, so that nothing can be followed through it.")
    if isinstance(gate, FormGate):
        found = _rewritten(case, reference, given, exact=gate is REWRITE)
        steps = [_same_place(place, value, found) for place, value in wanted.items()]
    else:
        target = target_of(case)
        sizes = frozenset(value.size for value in wanted.values())
        reading = target.reading(case.precision, "model" if gate is LOSS else "graph")
        dtype = reference.model.input.as_floats(recipe(case).scheme.dtype).dtype
        values = target.intermediates(path, reading, given.astype(dtype), sizes)
        steps = [_nearest(reference.model, place, value, values) for place, value in wanted.items()]
    return Explanation(case, gate.name, whose, name, limit, tuple(steps), departure(steps, limit))


def departure(steps: Sequence[Step], limit: float) -> str | None:
    """Return the first place after which no place agrees, or None if the last one does.

    A place that disagrees before others that agree is one that the artifact does not hold: an artifact that was made
    in another way need not hold, for example, the value before the gain of a norm.
    """
    lost = list(takewhile(lambda step: not step.snr_db >= limit + MARGIN_DB, reversed(steps)))
    return lost[-1].place if lost else None


def _at_output(found: Explanation, snr_db: float) -> Explanation:
    """Return the explanation of an artifact whose places agree, and whose output does not."""
    return replace(found, steps=(*found.steps, Step(OUTPUT, snr_db, "the output itself")), place=OUTPUT)


def _sample(reference: Reference, name: str) -> Sample:
    """Return the input whose features are called ``name``.

    Raises:
        ExplainError: the model has several inputs, through which no value is followed.
    """
    model = reference.model
    if len(model.inputs) > 1:
        raise ExplainError(f"{model.name} has several inputs, and only the values of a single one are followed.")
    samples = (*reference.inputs, *reference.extremes.images)
    return next(sample for sample in samples if name in entries(sample.name, model.interface))


def first_departure(case: Case, path: Path, reference: Reference, sample: Sample, *, made_here: bool) -> Explanation:
    """Return the explanation of the first gate that finds a place, or of the last gate if none does.

    Raises:
        ExplainError: see :func:`follow`.
    """
    forms: tuple[NumbersGate, ...] = (REWRITE,)
    if reference.model.approximates(recipe(case).form):
        forms = (REWRITE, GELU)
    for gate in (*forms, FIDELITY, LOSS) if made_here else (IDENTITY, LOSS):
        found = follow(case, path, reference, gate, sample.name)
        if found.place:
            return found
    snr = _output_snr(case, path, reference, sample)
    return found if snr is None or snr >= found.limit_db else _at_output(found, snr)


def _output_snr(case: Case, path: Path, reference: Reference, sample: Sample) -> float | None:
    """Return the SNR of the output itself; None where that is not one that can be compared with the model's."""
    from pe_validate.targets.eager import EagerRuntime

    expected = EagerRuntime(reference.module, reference.model).run(*sample.values)
    reading = target_of(case).reading(case.precision, LOSS.purpose)
    try:
        with IsolatedRuntime(path, case.target, reading) as runtime:
            answer = runtime.run(*sample.values)
    except RunError:
        return None
    return compare(expected, answer).snr_db if answer.shape == expected.shape else None


def steepest(steps: Sequence[Step]) -> str | None:
    """Return the place with the largest drop in SNR from the place before it."""
    falls = {after.place: min(before.snr_db, FULL_DB) - after.snr_db for before, after in pairwise(steps)}
    return max(falls, key=lambda place: falls[place], default=None)


def _expected(case: Case, reference: Reference, gate: NumbersGate, given: NDArray[np.generic]) -> tuple[Places, str]:
    if gate is FIDELITY:
        graph = reference.graph(case)
        if places := reference.model.places(graph.module, given.astype(graph.inputs[0].dtype)):
            return places, "the graph that was lowered"
        return _rewritten(case, reference, given, exact=False), "the float32 form of its graph"
    if gate is GELU:
        return _rewritten(case, reference, given, exact=True), "its rewrite with GELU by erf"
    return reference.model.places(reference.module, given), "the model"


def _rewritten(case: Case, reference: Reference, given: NDArray[np.generic], *, exact: bool) -> Places:
    return reference.model.places(reference.rewrite(case, exact=exact).module, given)


def _same_place(place: str, expected: NDArray[np.float64], found: Places) -> Step:
    if place not in found or found[place].shape != expected.shape:
        return Step(place, -inf, "nothing")
    return Step(place, compare(expected, found[place]).snr_db, place)


def _nearest(model: Model, place: str, expected: NDArray[np.float64], values: Values) -> Step:
    best = Step(place, -inf, "nothing")
    for name, value in values.items():
        if value.size == expected.size and np.isfinite(value).all():
            snr = compare(expected, model.at_place(place, value.reshape(expected.shape))).snr_db
            if snr > best.snr_db:
                best = Step(place, snr, name)
    return best
