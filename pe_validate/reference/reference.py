"""References: a loaded model and its outputs, each computed once for all of its cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final

from pe_validate.data.case import Case
from pe_validate.data.outputs import Outputs
from pe_validate.data.progress import Counted, uncounted
from pe_validate.data.recipe import Recipe
from pe_validate.data.tensors import Quantised
from pe_validate.inputs.feed import QuantisedFeed
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
"""Seeds of the photograph crops that the retrieval gate uses."""


@dataclass(frozen=True)
class Reference:
    """One model with its weights, and its outputs for the inputs, each computed once for all of its cases.

    Outputs are read from ``store`` if there is one, and computed and stored if it does not have them.
    """

    model: Model
    weights: Weights
    module: nn.Module
    inputs: tuple[Sample, ...]
    photographs: Path | None = None
    calibration: Path | None = None
    store: AnswerStore | None = field(default=None, repr=False)
    counted: Counted = field(default=uncounted, repr=False, compare=False)
    """Told how many of the inputs the model has answered."""
    altered: dict[object, dict[str, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What the model answers with known mistakes, by mistake and input, as far as a diagnosis has asked."""
    _graphs: dict[Recipe, EagerRuntime] = field(default_factory=dict, init=False, repr=False)
    _lock: RLock = field(default_factory=RLock, init=False, repr=False, compare=False)
    _answers: dict[object, Outputs] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def trained(self) -> Outputs:
        """The outputs of the trained float32 model."""
        return self._of_model(self.inputs)

    @cached_property
    def search(self) -> Search:
        """Photograph crops to look up, a bank of others to find them in, and the float32 model's outputs for both."""
        answer, feed = self.model.answer, self.model.feed
        assert answer
        queries = feed.crops(answer.queries, QUERY_SEED, self.photographs)
        bank = feed.crops(answer.bank, BANK_SEED, self.photographs)
        return Search(queries, self._of_model(queries), self._of_model(bank))

    @cached_property
    def extremes(self) -> Extremes:
        """The darkest and the brightest image, and the float32 model's outputs for them."""
        images = self.model.feed.extremes()
        return Extremes(images, self._of_model(images))

    @cached_property
    def labelled(self) -> Labelled | None:
        """The labelled images that these weights were trained to recognise, or None."""
        return self.model.labelled() if self.model.recognises(self.weights.spec) else None

    @cached_property
    def recognised(self) -> float:
        """Top-1 accuracy of the float32 model on the :attr:`labelled` images."""
        assert self.labelled
        return top1(self._of_model(self.labelled.inputs), self.labelled)

    def rewrite(self, case: Case, *, exact: bool) -> EagerRuntime:
        """Return the rewrite that ``case`` is made from, before rounding; ``exact`` leaves out approximations."""
        from pe_validate.targets.eager import EagerRuntime

        module = self.model.deployable(self.module, recipe(case).form)
        return EagerRuntime(self.model.exact(module) if exact else module, self.model)

    def rewritten(self, case: Case, *, exact: bool = True) -> Outputs:
        """Return the outputs of :meth:`rewrite` for the inputs."""
        answers = self._of_form(case, exact=exact)
        return replace(answers, producer=f"{answers.producer}, {recipe(case).form} rewrite")

    def _of_form(self, case: Case, *, exact: bool) -> Outputs:
        """Return the outputs of :meth:`rewrite`, which are computed once for all targets that take the form."""
        form, rounds = recipe(case).form, recipe(case).scheme.rounds
        approximates = self.model.approximates(form)
        question = self._question(f"exact {exact or not approximates}", self.inputs, form=form)
        if rounds or approximates:
            return self._answer(question, lambda: self.rewrite(case, exact=exact))
        return self._answer(question, lambda: self.graph(case))  # which is the rewrite, and is there already

    def graph(self, case: Case) -> EagerRuntime:
        """Return the lowered graph of ``case``, which its exporter is given."""
        from pe_validate.targets.eager import EagerRuntime

        key = recipe(case)
        with self._lock:  # cases that are judged in parallel share a recipe
            if key not in self._graphs:
                module = lowered(self.module, case, calibration_images(case, self.calibration), self.model)
                self._graphs[key] = EagerRuntime(module, self.model, key.scheme.dtype)
            return self._graphs[key]

    def lowered(self, case: Case) -> Outputs:
        """Return the outputs of :meth:`graph` for the inputs."""
        if not recipe(case).scheme.rounds:  # it is the rewrite
            return self._of_form(case, exact=False)
        question = self._question("lowered", self.inputs, case)
        return self._answer(question, lambda: self.graph(case))

    def constants(self, case: Case) -> Mapping[str, str]:
        """Return the digests of the constants of :meth:`graph` by name; empty if the target does not keep them."""
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
        from pe_validate.targets.open import run

        with self._lock:  # cases that are judged in parallel ask for the same outputs
            if question not in self._answers:
                found = self.store.read(question) if self.store else None
                if found is None:
                    found = run(runtime(), question.inputs, self.counted)
                    if self.store:
                        self.store.write(question, found)
                self._answers[question] = found
            return self._answers[question]

    def _question(self, asked: str, inputs: tuple[Sample, ...], case: Case | None = None, form: str = "") -> Question:
        """Return the key of stored outputs: of a case's graph, of a form of the model, or of the model itself."""
        made_of, code = form, (*self.model.modules, *(SHARED_MODULES if form else ()))
        tools: tuple[str, ...] = ("torch",)
        if case:
            target, made_of = target_of(case), f"{recipe(case).form}, {recipe(case).scheme.name}"
            code, tools = (*code, *target.deciding_modules, *SHARED_MODULES), target.tools
            if recipe(case).scheme.calibrated:
                made_of += f", {digest_of(calibration_images(case, self.calibration))}"
        return Question(self.model.name, self.weights.sha256, asked, made_of, code, tools, inputs, self.model.interface)


def of_quantised(reference: Reference, quantised: Quantised) -> Reference:
    """Return the reference with the inputs that a file with such integers can be given."""
    model = copy(reference.model)
    model.feed = QuantisedFeed(model.feed, quantised)
    return replace(reference, model=model, inputs=model.feed.samples(reference.photographs))


@dataclass(frozen=True)
class Search:
    """Queries, the float32 model's outputs for them, and its outputs for the images of the bank."""

    queries: tuple[Sample, ...]
    trained: Outputs
    bank: Outputs


@dataclass(frozen=True)
class Extremes:
    """Images of a single value, and the float32 model's outputs for them."""

    images: tuple[Sample, ...]
    trained: Outputs


def reference(
    model: str,
    weights: str = DEFAULT_WEIGHTS,
    photographs: Path | None = None,
    calibration: Path | None = None,
    store: AnswerStore | None = None,
    counted: Counted = uncounted,
) -> Reference:
    """Load a model, and the inputs that it is validated on, as a reference.

    Raises:
        UsageError, LoadError: see :func:`~pe_validate.models.registry.load_weights`.
    """
    value = model_named(model)
    loaded = value.load_weights(weights)
    inputs = value.feed.samples(photographs)
    return Reference(value, loaded, value.load(loaded), inputs, photographs, calibration, store, counted)
