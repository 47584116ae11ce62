"""What an artifact is held to: one model, loaded, and its answers, each computed once for all of its cases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from pe_validate.case import Case
from pe_validate.inputs.images import Sample, crops, default_pixels, samples
from pe_validate.models.perception_encoder.vision.deploy import Style, deploy, with_erf
from pe_validate.models.perception_encoder.vision.tower import VisionTower
from pe_validate.models.weights import DEFAULT_WEIGHTS, Weights, load_model, load_weights
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.open import Outputs, run
from pe_validate.targets.recipes import Recipe, calibration_images, lowered, recipe
from pe_validate.targets.xnnpack.constants import of_graph
from pe_validate.tasks.accuracy import held_out, top1


@dataclass(frozen=True)
class Reference:
    """One model, loaded, and what it answers to the inputs: computed once for all of its cases."""

    weights: Weights
    tower: VisionTower
    inputs: tuple[Sample, ...]
    photographs: Path | None = None
    calibration: Path | None = None
    _rewritten: dict[tuple[Style, bool], Outputs] = field(default_factory=dict, init=False, repr=False)
    _graphs: dict[Recipe, EagerRuntime] = field(default_factory=dict, init=False, repr=False)
    _lowered: dict[Recipe, Outputs] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def trained(self) -> Outputs:
        """The float32 model that a user trained."""
        return self._answer(self.inputs)

    @cached_property
    def search(self) -> Search:
        """Photograph crops to be looked up, and a bank of others to find them in, as the float32 model sees both."""
        pooled = self.tower.config.pool_heads is not None
        size = self.tower.config.image_size
        queries, bank = (
            samples(crops(size, count if pooled else 2, seed, self.photographs))
            for count, seed in ((QUERIES, QUERY_SEED), (BANK, BANK_SEED))
        )
        return Search(queries, self._answer(queries), self._answer(bank))

    @cached_property
    def extremes(self) -> Extremes:
        """The darkest and the brightest image there are."""
        size = self.tower.config.image_size
        pixels = {name: np.full((size, size, 3), value, np.uint8) for name, value in (("black", 0), ("white", 255))}
        images = samples(pixels)
        return Extremes(images, self._answer(images))

    @cached_property
    def recognised(self) -> float:
        """Top-1 accuracy of the float32 model on the held-out images of the trained fixture."""
        return top1(self._answer(held_out().inputs), held_out())

    def _answer(self, inputs: tuple[Sample, ...]) -> Outputs:
        return run(EagerRuntime(self.tower, self.tower.config), inputs)

    def rewrite(self, case: Case, *, erf: bool) -> EagerRuntime:
        """The rewrite that ``case`` is made of, before anything is rounded; ``erf`` is how its GELU is computed."""
        module = deploy(self.tower, style=recipe(case).style)
        return EagerRuntime(with_erf(module) if erf else module, self.tower.config)

    def rewritten(self, case: Case, *, erf: bool = True) -> Outputs:
        """What :meth:`rewrite` answers to the inputs."""
        key = recipe(case).style, erf
        if key not in self._rewritten:
            plain = recipe(case).scheme == "float32"  # nothing is rounded: what is lowered is the rewrite
            answers = self.lowered(case) if plain else run(self.rewrite(case, erf=erf), self.inputs)
            self._rewritten[key] = replace(answers, producer=f"{answers.producer}, {key[0]} rewrite")
        return self._rewritten[key]

    def graph(self, case: Case) -> EagerRuntime:
        """The very graph that is handed to the exporter of ``case``, before it is exported."""
        key = recipe(case)
        if key not in self._graphs:
            module = lowered(self.tower, case, calibration_images(case, self.calibration))
            self._graphs[key] = EagerRuntime(module, self.tower.config, key.dtype)
        return self._graphs[key]

    def constants(self, case: Case) -> dict[str, str]:
        """Digests of the layers of :meth:`graph`, by name. Core ML stores them otherwise."""
        return of_graph(self.graph(case).module) if case.target == "pte" else {}

    def lowered(self, case: Case) -> Outputs:
        """What :meth:`graph` answers to the inputs."""
        key = recipe(case)
        if key not in self._lowered:
            self._lowered[key] = run(self.graph(case), self.inputs)
        return self._lowered[key]


QUERIES, QUERY_SEED = 16, 3
BANK, BANK_SEED = 32, 2
"""Photograph crops of the retrieval gate; a Spatial model has hundreds of patches to look up in each of two."""


@dataclass(frozen=True)
class Search:
    """Queries, what the float32 model answers to them, and its answers to the images of the bank."""

    queries: tuple[Sample, ...]
    trained: Outputs
    bank: Outputs


@dataclass(frozen=True)
class Extremes:
    """Images of one value, and what the float32 model answers to them."""

    images: tuple[Sample, ...]
    trained: Outputs


def reference(
    model: str, weights: str = DEFAULT_WEIGHTS, photographs: Path | None = None, calibration: Path | None = None
) -> Reference:
    """Load a model and the inputs that it is validated on.

    Raises:
        UsageError, LoadError: see :func:`~pe_validate.models.weights.load_weights`.
    """
    loaded = load_weights(model, weights)
    tower = load_model(model, loaded)
    inputs = samples(default_pixels(tower.config.image_size, photographs))
    return Reference(loaded, tower, inputs, photographs, calibration)
