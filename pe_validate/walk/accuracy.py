"""The walk of ``pe-validate accuracy``: each image of a dataset through PyTorch and artifacts, then compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case, itself
from pe_validate.data.classification import Classification, Task
from pe_validate.data.features import Features, joined
from pe_validate.data.limits import AccuracyTolerance
from pe_validate.data.progress import Progress, counting
from pe_validate.gates.limits import row_of
from pe_validate.inputs.datasets import Dataset, is_imagenet
from pe_validate.inputs.feed import ImageFeed
from pe_validate.machines.answering import Answerer
from pe_validate.machines.workers import Workers
from pe_validate.models.registry import load_weights, model_named
from pe_validate.reference.shards import ShardStore
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.tasks.classify import Classifier, Ranked, accuracy, change


class Method(ABC):
    """Base class of the ways in which features become classes; ``prompts``: by texts, as published accuracies are."""

    prompts: ClassVar[bool] = False

    @property
    @abstractmethod
    def name(self) -> str:
        """What the report calls it."""

    @abstractmethod
    def classifier(self, case: Case) -> Classifier:
        """Return the classifier for an artifact, or for PyTorch; its labels include the dataset's classes."""


@dataclass(frozen=True)
class Gatherer:
    """Collects the features of a dataset shard by shard: stored ones are read, the others computed and stored."""

    dataset: Dataset
    workers: Workers
    store: ShardStore
    progress: Progress

    @cached_property
    def _digests(self) -> list[str]:
        return [shard.digest() for shard in self.dataset.shards]

    def itself(self, model: str, weights: str) -> Features:
        """Return the features of PyTorch with weights given by spec; see :meth:`gather`."""
        return self.gather(eager(model, weights, self.workers.threads))

    def gather(self, answerer: Answerer) -> Features:
        """Return the features of all images that can be read, in the order of the shards.

        Raises:
            LoadError: a shard cannot be read, or no image can.
            RunError: the artifact cannot be loaded or executed.
            FileError: the store cannot be written; finished shards are kept.
        """
        self.progress(answerer.case, "run")
        key, shards = answerer.key, self.dataset.shards
        parts = [self.store.read(key, digest) for digest in self._digests]
        missing = [number for number, part in enumerate(parts) if part is None]
        counted = counting(self.progress, answerer.case, "run", "shards")
        counted(0, len(missing))
        if missing:
            answers = self.workers.answers(answerer, [shards[number] for number in missing])
            for done, (place, found) in enumerate(answers, 1):
                self.store.write(key, self._digests[missing[place]], found)
                parts[missing[place]] = found
                counted(done, len(missing))
        self.progress(answerer.case, "done")
        answered = [part for part in parts if part is not None]
        if not any(part.names for part in answered):
            why = next((why for part in answered for why in part.broken.values()), "it holds none.")
            raise LoadError(f"No image of '{self.dataset.path}' can be read: {why}")
        return joined(answered)


def check_recognises(model: str) -> None:
    """Check that a model takes images one by one, and gives one answer for each.

    Raises:
        UsageError: it does not.
    """
    value = model_named(model)
    if not isinstance(value.feed, ImageFeed) or value.feed.batch > 1 or len(value.outputs) != 1:
        raise UsageError(f"{model} does not take one image and give one answer, so it recognises nothing.")
    if len(value.output.shape) != 2:
        raise UsageError(f"{model} gives a feature for every patch and none for the image.")


def eager(model: str, weights: str, threads: int) -> Answerer:
    """Return PyTorch with weights given by spec.

    Raises:
        LoadError: the weights cannot be loaded.
    """
    return Answerer(itself(model), weights, load_weights(model, weights).sha256, threads)


def of_artifact(artifact: Artifact, weights: str, threads: int) -> Answerer:
    """Return an artifact of a model with weights given by spec."""
    return Answerer(artifact.case, weights, artifact.sha256, threads, artifact.path)


class Experiment(ABC):
    """Base class of what is asked of the ``images``, of PyTorch with ``weights`` and of artifacts."""

    images: Gatherer
    weights: str

    @property
    @abstractmethod
    def task(self) -> Task:
        """What the report says of it."""

    @abstractmethod
    def ranked(self, answerer: Answerer, found: Features) -> Mapping[str, Ranked]:
        """Return the ranks by the features of the images, in each direction of a retrieval; else in one without name.

        Raises:
            UsageError, LoadError, ExportError, RunError, FileError: that stage could not do its work.
        """

    def measure(self, artifacts: Mapping[Case, Artifact]) -> tuple[tuple[Classification, ...], Mapping[str, str]]:
        """Return the rows of PyTorch and of every artifact, model by model, and the images that cannot be read.

        Raises:
            UsageError, LoadError, ExportError, RunError, FileError: see :meth:`ranked` and :meth:`Gatherer.gather`.
        """
        rows: list[Classification] = []
        broken: dict[str, str] = {}
        threads = self.images.workers.threads
        for model in dict.fromkeys(case.model for case in artifacts):
            model_itself = eager(model, self.weights, threads)
            found = self.images.gather(model_itself)
            broken |= found.broken
            before = self.ranked(model_itself, found)
            rows += [
                accuracy(model_itself.case, found.producer, model_itself.identity, way, task)
                for task, way in before.items()
            ]
            for case, artifact in artifacts.items():
                if case.model == model:
                    answerer = of_artifact(artifact, self.weights, threads)
                    found = self.images.gather(answerer)
                    for task, way in self.ranked(answerer, found).items():
                        row = accuracy(case, found.producer, answerer.identity, way, task)
                        rows.append(_held_to(row, before[task], way))
        return tuple(rows), broken


@dataclass(frozen=True)
class Recognition(Experiment):
    """The images, whose classes are called ``labels`` by the method."""

    images: Gatherer
    weights: str
    labels: Sequence[str]
    method: Method

    @property
    def task(self) -> Task:
        """What the report says of it."""
        dataset = self.images.dataset
        imagenet = self.method.prompts and is_imagenet(dataset)
        return Task(str(dataset.path), self.method.name, classes=len(self.labels), imagenet=imagenet)

    def ranked(self, answerer: Answerer, found: Features) -> Mapping[str, Ranked]:
        """Return the ranks of the true classes."""
        classifier = self.method.classifier(answerer.case)
        places = {label: number for number, label in enumerate(classifier.labels)}
        rows = np.array([places[label] for label in self.labels])
        if (largest := int(found.labels.max())) >= len(self.labels):
            raise LoadError(f"An image has the class {largest}, and there are {len(self.labels)} labels, from 0.")
        return {"": Ranked(found.names, found.labels, classifier.ranks(found.values, rows[found.labels]))}


def _held_to(found: Classification, before: Ranked, after: Ranked) -> Classification:
    """Return the accuracy of an artifact with what it changes, and the limit for that."""
    row = row_of(found.case, "accuracy", AccuracyTolerance)
    limit, reason = (row.limit, row.reason) if row else (None, "")
    return replace(found, change=change(before, after), limit=limit, reason=reason)
