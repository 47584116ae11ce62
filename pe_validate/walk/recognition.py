"""The ways in which features become classes: by prompts, a table of embeddings, a linear head, or means."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pe_validate.data.case import EAGER, Case
from pe_validate.inputs.datasets import Dataset, has_synsets, is_imagenet
from pe_validate.models.classes import read_classes
from pe_validate.models.registry import model_named
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.system.files import plain_file
from pe_validate.tasks.classify import Classifier, class_means
from pe_validate.walk.accuracy import Gatherer, Method
from pe_validate.walk.texts import TextSide, tell_cut


def labels_of(dataset: Dataset, lines: Sequence[str] | None) -> tuple[str, ...]:
    """Return what the dataset's classes are called.

    ``lines`` are labels in the order of the classes, or ``CLASS<tab>LABEL`` for each. Without them a class is called as
    its folder is, with spaces for underscores, and the thousand synsets of ImageNet-1k as CLIP is prompted with them.

    Raises:
        UsageError: a class has no label, or two have the same.
        SetupError: the labels of ImageNet-1k cannot be had.
    """
    classes = dataset.classes
    if lines is None:
        labels = _own_labels(dataset)
    elif any("\t" in line for line in lines):
        said = {name.strip(): label.strip() for name, _, label in (line.partition("\t") for line in lines)}
        if missing := next((name for name in classes if not said.get(name)), None):
            raise UsageError(f"The class '{missing}' of '{dataset.path}' has no label: add a line 'CLASS<tab>LABEL'.")
        labels = tuple(said[name] for name in classes or said)
    else:
        if classes and len(lines) != len(classes):
            raise UsageError(f"There are {len(lines)} labels for the {len(classes)} classes of '{dataset.path}'.")
        labels = tuple(lines)
    if double := next((label for label, times in Counter(labels).items() if times > 1), None):
        raise UsageError(f"Two classes of '{dataset.path}' have the label '{double}': give each its own with --labels.")
    if len(labels) < 2:
        raise UsageError(f"'{dataset.path}' has {len(labels)} class, and every image would be recognised.")
    return labels


def _own_labels(dataset: Dataset) -> tuple[str, ...]:
    if not dataset.classes:
        raise UsageError(f"The files of '{dataset.path}' have numbers for classes: name them with --labels, in order.")
    if not has_synsets(dataset):
        return tuple(name.replace("_", " ") for name in dataset.classes)
    if not is_imagenet(dataset):
        raise UsageError(
            f"The classes of '{dataset.path}' are synsets, but not all of ImageNet-1k's: give lines "
            "'SYNSET<tab>LABEL' with --labels."
        )
    from pe_validate.models.perception_encoder.text.published import imagenet_labels

    return imagenet_labels()


@dataclass(frozen=True, slots=True)
class ZeroShot(Method):
    """Prompts through a text tower; ``texts`` are the :func:`prompts_of` the labels."""

    labels: tuple[str, ...]
    templates: tuple[str, ...]
    texts: TextSide
    prompts: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"zero-shot with {len(self.templates)} template{'s' * (len(self.templates) > 1)}{self.texts.made_by}"

    def classifier(self, case: Case) -> Classifier:
        """Return the class embeddings: per class, the direction of its prompts."""
        by = self.texts.case(case)
        if case.target == EAGER:  # which comes first, and once
            tell_cut(by, self.labels, self.templates, self.texts.gatherer.progress)
        found = self.texts.features(by)
        return class_means(found.values, found.labels, self.labels)


@dataclass(frozen=True, slots=True)
class Table(Method):
    """A table of class embeddings, as ``pe-validate classes`` makes it."""

    path: Path
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"the table '{self.path}'"

    def classifier(self, case: Case) -> Classifier:
        """Return its embeddings."""
        known, embeddings = read_classes(self.path, case.model)
        if missing := next((label for label in self.labels if label not in known), None):
            raise LoadError(f"'{self.path}' has no class '{missing}', which the dataset has; see --labels.")
        return Classifier(known, embeddings)


@dataclass(frozen=True, slots=True)
class Head(Method):
    """A linear head in a safetensors file: ``weight`` ``[classes, dim]``, and ``bias`` ``[classes]`` if it has one."""

    path: Path
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"the head '{self.path}'"

    def classifier(self, case: Case) -> Classifier:
        """Return the head."""
        try:
            tensors = load_file(plain_file(self.path))
        except (OSError, SafetensorError) as error:
            raise LoadError(f"'{self.path}' cannot be read as safetensors ({error}).") from error
        tensors = {name: tensors[name] for name in ("weight", "bias") if name in tensors}
        weight, bias = tensors.get("weight"), tensors.get("bias")
        wanted = (len(self.labels), model_named(case.model).output.shape[-1])
        if weight is None or weight.shape != wanted or (bias is not None and bias.shape != wanted[:1]):
            found = ", ".join(f"{name} {list(tensor.shape)}" for name, tensor in tensors.items()) or "neither"
            raise LoadError(
                f"'{self.path}' is no head for {case.model} and {wanted[0]} classes: it needs "
                f"'weight' {list(wanted)} and may have 'bias' [{wanted[0]}], and has {found}."
            )
        return Classifier(self.labels, weight.astype(np.float32), bias, cosine=False)


@dataclass(frozen=True, slots=True)
class Means(Method):
    """The nearest mean of PyTorch's features for each class of another dataset, such as a training set."""

    gatherer: Gatherer
    weights: str
    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the report calls it."""
        return f"the nearest mean of '{self.gatherer.dataset.path}'"

    def classifier(self, case: Case) -> Classifier:
        """Return the means."""
        found = self.gatherer.itself(case.model, self.weights)
        try:
            return class_means(found.values, found.labels, self.labels)
        except ValueError as error:
            raise LoadError(f"'{self.gatherer.dataset.path}' gives no means: {error}.") from error


@dataclass(frozen=True, slots=True)
class Itself(Method):
    """The answer of a model that is a classifier: a number for each class, in their order."""

    labels: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the report calls it."""
        return "their own answers"

    def classifier(self, case: Case) -> Classifier:
        """Return what leaves the answer as it is."""
        (size,) = model_named(case.model).output.shape[1:]
        if size != len(self.labels):
            raise UsageError(
                f"{case.model} gives {size} numbers for {len(self.labels)} classes: say how it recognises them with "
                "--classes, --head or --means."
            )
        return Classifier(self.labels, np.eye(size, dtype=np.float32), cosine=False)
