"""The first place at which an artifact leaves what it is held to.

A place of the reference is looked for among all values of the artifact by its numbers, not by its name: exporters
rename, fuse and drop. From the first place that is found nowhere, everything after it is lost, too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ConfigDict

from pe_validate.case import Case
from pe_validate.data.comparison import compare
from pe_validate.data.verdict import Verdict
from pe_validate.explain.intermediates import intermediates
from pe_validate.gates.evidence import reading_for
from pe_validate.gates.limits import Gate, of_rewrite, tolerance
from pe_validate.inputs.images import Sample
from pe_validate.models.perception_encoder.vision.places import Array, centred, places_of
from pe_validate.reference.reference import Reference
from pe_validate.system.errors import ExplainError
from pe_validate.targets.base import Values

MARGIN_DB: Final = 3.0
"""A sound place is as far above the limit for the answer: noise grows from place to place."""

_LAYER: Final = re.compile(r"encoder\.(block(\d+)\.(attention)?|pool|projection|first|last)?")


@dataclass(frozen=True, slots=True)
class Step:
    """One place: how well the artifact's nearest value agrees with it, and which value that is."""

    __pydantic_config__ = ConfigDict(ser_json_inf_nan="strings")

    place: str
    snr_db: float
    value: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where ``case`` leaves ``reference``; ``place`` is None where it does not."""

    case: Case
    gate: Gate
    reference: str
    image: str
    limit_db: float
    steps: tuple[Step, ...]
    place: str | None

    @property
    def sentence(self) -> str:
        """What to tell a reader."""
        if self.place is None:
            return f"{self.case} stays with {self.reference} at every place, on '{self.image}'."
        at = next((number for number, step in enumerate(self.steps) if step.place == self.place), None)
        said = f"{self.case} leaves {self.reference} in {self.place}"
        if at is None:
            return f"{said}."
        before = f", {self.steps[at - 1].snr_db:.1f} dB before it" if at else ""
        return f"{said}: {self.steps[at].snr_db:.1f} dB there{before}, on '{self.image}'."


def explain(case: Case, path: Path, model: Reference, verdicts: Sequence[Verdict]) -> Explanation | None:
    """Where the gates that failed first saw something, or ``None`` where they do not look at numbers.

    Raises:
        ExplainError: the artifact cannot be taken apart, or its fault is smaller than what places differ by anyway.
    """
    by_gate = {verdict.gate: verdict for verdict in verdicts}
    weights = by_gate.get("weights")
    for gate in ("rewrite", "gelu", "fidelity", "identity", "loss", "extremes"):
        failed = by_gate.get(gate)
        if failed and failed.status == "fail" and failed.comparisons:
            name = min(failed.comparisons, key=lambda name: failed.comparisons[name].snr_db)  # type: ignore[index]
            if gate == "identity" and failed.comparisons[name].snr_db >= tolerance(case, gate).limit.snr_db:
                raise ExplainError(
                    f"{case} leaves {failed.reference} by less than rounding weights to float16 costs, which hides the "
                    "place."
                )
            found = look(case, path, model, gate, name)
            place = found.place or steepest(found.steps)
            if gate not in of_rewrite(case) and weights and weights.layers:
                place = place_of_layer(weights.layers[0]) or place
            return Explanation(case, found.gate, found.reference, name, found.limit_db, found.steps, place)
    if weights and weights.layers:
        place = place_of_layer(weights.layers[0])
        return Explanation(case, "fidelity", "the graph that was lowered", "its weights", 0.0, (), place)
    return None


def look(case: Case, path: Path, model: Reference, gate: Gate, name: str) -> Explanation:
    """Compare place by place what ``gate`` compares at the end, on the input called ``name``.

    Raises:
        ExplainError: see :func:`~pe_validate.explain.intermediates.intermediates`.
    """
    image = next(s for s in (*model.inputs, *model.extremes.images) if s.name == name).image
    limit = tolerance(case, gate).limit.snr_db
    wanted, reference = _expected(case, model, gate, image)
    if gate in of_rewrite(case):
        found = _rewritten(case, model, image, erf=gate == "rewrite")
        steps = [_same_place(place, value, found) for place, value in wanted.items()]
    else:
        given = image.astype(model.graph(case).inputs[0].dtype)
        sizes = frozenset(value.size for value in wanted.values())
        values = intermediates(path, case.target, reading_for(case, gate), given, sizes)
        steps = [_nearest(place, value, values) for place, value in wanted.items()]
    place = next((step.place for step in steps if not step.snr_db >= limit + MARGIN_DB), None)
    return Explanation(case, gate, reference, name, limit, tuple(steps), place)


def first_departure(case: Case, path: Path, model: Reference, sample: Sample, *, made_here: bool) -> Explanation:
    """The first of all comparisons that finds a place, or the last one where none does.

    Raises:
        ExplainError: see :func:`look`.
    """
    gates: tuple[Gate, ...] = (*of_rewrite(case), "fidelity", "loss") if made_here else ("identity", "loss")
    for gate in gates:
        found = look(case, path, model, gate, sample.name)
        if found.place:
            break
    return found


def steepest(steps: Sequence[Step]) -> str | None:
    """The place with the largest loss against the one before it."""
    falls = {after.place: min(before.snr_db, 140) - after.snr_db for before, after in pairwise(steps)}
    return max(falls, key=lambda place: falls[place], default=None)


def place_of_layer(name: str) -> str | None:
    """The place of a layer of the rewrite: ``encoder.block2.contract.weight`` is in ``block 2 MLP``."""
    match = _LAYER.match(name)
    if match is None or match[1] is None:
        return None
    if match[2]:
        return f"block {match[2]} {'attention' if match[3] else 'MLP'}"
    return {"pool": "pooling", "projection": "projection", "first": "ln_pre", "last": "ln_post"}[match[1]]


def _expected(case: Case, model: Reference, gate: Gate, image: np.ndarray) -> tuple[dict[str, Array], str]:
    if gate == "fidelity":
        graph = model.graph(case)
        if places := places_of(graph.module, image.astype(graph.inputs[0].dtype)):
            return places, "the graph that was lowered"
        return _rewritten(case, model, image, erf=False), "the float32 form of its graph"
    if gate == "gelu":
        return _rewritten(case, model, image, erf=True), "its rewrite with GELU by erf"
    return places_of(model.tower, image), "the model"


def _rewritten(case: Case, model: Reference, image: np.ndarray, *, erf: bool) -> dict[str, Array]:
    return places_of(model.rewrite(case, erf=erf).module, image)


def _same_place(place: str, expected: Array, found: Mapping[str, Array]) -> Step:
    if place not in found or found[place].shape != expected.shape:
        return Step(place, -inf, "nothing")
    return Step(place, compare(expected, found[place]).snr_db, place)


def _nearest(place: str, expected: Array, values: Values) -> Step:
    best = Step(place, -inf, "nothing")
    for name, value in values.items():
        if value.size == expected.size and np.isfinite(value).all():
            rows = value.reshape(expected.shape)
            snr = compare(expected, centred(rows) if place != "projection" else rows).snr_db
            if snr > best.snr_db:
                best = Step(place, snr, name)
    return best


__all__ = ["ExplainError", "Explanation", "Step", "explain", "first_departure", "look"]
