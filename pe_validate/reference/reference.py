"""What an artifact is held to: one model, loaded, and its answers, each computed once for all of its cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Final

from pe_validate.data.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.recipe import Recipe
from pe_validate.inputs.images import Sample
from pe_validate.models.base import DEFAULT_WEIGHTS, Model
from pe_validate.models.registry import model_named
from pe_validate.reference.store import AnswerStore, Question, digest_of
from pe_validate.targets.recipes import SHARED_MODULES, calibration_images, lowered
from pe_validate.targets.registry import recipe, target_of
from pe_validate.tasks.accuracy import Labelled, top1

if TYPE_CHECKING:
    from torch import nn

    from pe_validate.models.weights import Weights
    from pe_validate.targets.eager import EagerRuntime

QUERY_SEED: Final = 3
BANK_SEED: Final = 2
"""Photograph crops of the retrieval gate."""


@dataclass(frozen=True)
class Reference:
    """One model with its weights, and what it answers to the inputs: computed once for all of its cases.

    Answers come from ``store``, if there is one and it has them; only what it has not is computed.
    """

    model: Model
    weights: Weights
    module: nn.Module
    inputs: tuple[Sample, ...]
    photographs: Path | None = None
    calibration: Path | None = None
    store: AnswerStore | None = field(default=None, repr=False)
    _graphs: dict[Recipe, EagerRuntime] = field(default_factory=dict, init=False, repr=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)
    _answers: dict[object, Outputs] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def trained(self) -> Outputs:
        """The answers of the float32 model that a user trained."""
        return self._of_model(self.inputs)

    @cached_property
    def search(self) -> Search:
        """Photograph crops to be looked up, and a bank of others to find them in, as the float32 model sees both."""
        answer, feed = self.model.answer, self.model.feed
        queries = feed.crops(answer.queries, QUERY_SEED, self.photographs)
        bank = feed.crops(answer.bank, BANK_SEED, self.photographs)
        return Search(queries, self._of_model(queries), self._of_model(bank))

    @cached_property
    def extremes(self) -> Extremes:
        """The darkest and the brightest image there are."""
        images = self.model.feed.extremes()
        return Extremes(images, self._of_model(images))

    @cached_property
    def labelled(self) -> Labelled | None:
        """Labelled images that these weights should recognise, if there are any."""
        return self.model.labelled() if self.model.recognises(self.weights.spec) else None

    @cached_property
    def recognised(self) -> float:
        """Top-1 accuracy of the float32 model on :attr:`labelled`."""
        assert self.labelled
        return top1(self._of_model(self.labelled.inputs), self.labelled)

    def rewrite(self, case: Case, *, exact: bool) -> EagerRuntime:
        """Return the rewrite that ``case`` is made of, before anything is rounded; ``exact`` without approximations."""
        from pe_validate.targets.eager import EagerRuntime

        module = self.model.deployable(self.module, recipe(case).form)
        return EagerRuntime(self.model.exact(module) if exact else module, self.model)

    def rewritten(self, case: Case, *, exact: bool = True) -> Outputs:
        """Return what :meth:`rewrite` answers to the inputs."""
        made_of = recipe(case)
        if not made_of.scheme.rounds:  # what is lowered is the rewrite
            answers = self.lowered(case)
        else:
            question = self._question(f"{made_of.form}, exact {exact}", self.inputs, case)
            answers = self._answer(question, lambda: self.rewrite(case, exact=exact))
        return replace(answers, producer=f"{answers.producer}, {made_of.form} rewrite")

    def graph(self, case: Case) -> EagerRuntime:
        """Return the very graph that is handed to the exporter of ``case``, before it is exported."""
        from pe_validate.targets.eager import EagerRuntime

        key = recipe(case)
        if key not in self._graphs:
            module = lowered(self.module, case, calibration_images(case, self.calibration))
            self._graphs[key] = EagerRuntime(module, self.model, key.scheme.dtype)
        return self._graphs[key]

    def lowered(self, case: Case) -> Outputs:
        """Return what :meth:`graph` answers to the inputs."""
        question = self._question("lowered", self.inputs, case)
        return self._answer(question, lambda: self.graph(case))

    def constants(self, case: Case) -> Mapping[str, str]:
        """Return digests of the layers of :meth:`graph` by name, where files of the target keep them."""
        target = target_of(case)
        if not target.keeps_constants:
            return {}
        question = self._question("constants", (), case)
        found = self.store.read_digests(question) if self.store else None
        if found is None:
            found = dict(target.constants(self.graph(case).module))
            if self.store:
                self.store.write_digests(question, found)
        return found

    def _of_model(self, inputs: tuple[Sample, ...]) -> Outputs:
        from pe_validate.targets.eager import EagerRuntime

        return self._answer(self._question("model", inputs), lambda: EagerRuntime(self.module, self.model))

    def _answer(self, question: Question, runtime: Callable[[], EagerRuntime]) -> Outputs:
        with self._lock:  # cases that are judged side by side ask for the same answers
            return self._known(question, runtime)

    def _known(self, question: Question, runtime: Callable[[], EagerRuntime]) -> Outputs:
        from pe_validate.targets.open import run

        if question not in self._answers:
            found = self.store.read(question) if self.store else None
            if found is None:
                found = run(runtime(), question.inputs)
                if self.store:
                    self.store.write(question, found)
            self._answers[question] = found
        return self._answers[question]

    def _question(self, asked: str, inputs: tuple[Sample, ...], case: Case | None = None) -> Question:
        """Return what is asked, with all that decides the answer; of a rewrite, ``case`` is the one that it is for."""
        made_of, code = "", self.model.modules
        tools: tuple[str, ...] = ("torch",)
        if case:
            target, made_of = target_of(case), f"{recipe(case).form}, {recipe(case).scheme.name}"
            code, tools = (*code, *target.deciding_modules, *SHARED_MODULES), target.tools
            if recipe(case).scheme.calibrated:
                made_of += f", {digest_of(calibration_images(case, self.calibration))}"
        return Question(self.model.name, self.weights.sha256, asked, made_of, code, tools, inputs)


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
    model: str,
    weights: str = DEFAULT_WEIGHTS,
    photographs: Path | None = None,
    calibration: Path | None = None,
    store: AnswerStore | None = None,
) -> Reference:
    """Load a model and the inputs that it is validated on.

    Raises:
        UsageError, LoadError: see :func:`~pe_validate.models.registry.load_weights`.
    """
    value = model_named(model)
    loaded = value.load_weights(weights)
    return Reference(
        value, loaded, value.load(loaded), value.feed.samples(photographs), photographs, calibration, store
    )
