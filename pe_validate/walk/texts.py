"""Texts through a text tower, in PyTorch or as an artifact: prompts of ``pe-validate classes``, and captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pe_validate.case import select
from pe_validate.data.case import EAGER, Case, itself
from pe_validate.data.features import Features
from pe_validate.data.progress import Note, Progress
from pe_validate.inputs.datasets import Dataset, texts_of
from pe_validate.models.registry import model_named, text_model_of
from pe_validate.system.errors import UsageError
from pe_validate.targets.export import export
from pe_validate.tasks.prompts import prompt
from pe_validate.walk.accuracy import Gatherer, eager, of_artifact


@dataclass(frozen=True)
class TextSide:
    """Texts through a text tower: PyTorch's for everything, or for artifacts of images that of the case ``by``."""

    gatherer: Gatherer
    weights: str
    by: str | None
    cache_dir: Path | None
    _found: dict[Case, Features] = field(default_factory=dict, repr=False)

    @property
    def made_by(self) -> str:
        """The end of a method's name, which tells the artifact."""
        return f", embedded for artifacts by {self.by}" if self.by else ""

    def case(self, image: Case) -> Case:
        """Return the case that embeds texts for the case of an image's artifact, or of PyTorch itself.

        Raises:
            UsageError: the model has no text tower, or ``by`` is not one of its artifacts.
        """
        return text_case(None if image.target == EAGER else self.by, text_model_of(image.model).name)

    def features(self, case: Case) -> Features:
        """Return the features of all texts by a text tower's case, gathered once for each.

        Raises:
            UsageError, LoadError, ExportError, RunError, FileError: that stage could not do its work.
        """
        if case not in self._found:
            threads = self.gatherer.workers.threads
            if case.target == EAGER:
                answerer = eager(case.model, self.weights, threads)
            else:
                answerer = of_artifact(export(case, self.weights, self.cache_dir), self.weights, threads)
            self._found[case] = self.gatherer.gather(answerer)
        return self._found[case]


def text_case(by: str | None, model: str) -> Case:
    """Return the case of a text tower that ``by`` names, or PyTorch itself if it names none.

    Raises:
        UsageError: it is not an artifact of ``model``.
    """
    if by is None:
        return itself(model)
    chosen = select([by])
    if len(chosen) != 1 or chosen[0].model != model:
        raise UsageError(f"'{by}' is no artifact of {model}: name one, such as {model}/onnx/fp32.")
    return chosen[0]


def prompts_of(labels: Sequence[str], templates: Sequence[str]) -> Dataset:
    """Return every label in every template, as a dataset of texts whose classes are the labels."""
    texts = [(prompt(template, label), number) for number, label in enumerate(labels) for template in templates]
    return texts_of("prompts", labels, texts)


def tell_cut(case: Case, labels: Sequence[str], templates: Sequence[str], progress: Progress) -> None:
    """Say which labels are longer than the tower's context, with the longest template."""
    from pe_validate.models.perception_encoder.text.tokenizer import encoded

    context = model_named(case.model).input.shape[1]
    longest = max(templates, key=len)
    for label, ids in zip(labels, encoded([prompt(longest, label) for label in labels]), strict=True):
        if len(ids) > context - 2:
            progress(case, Note(f"'{label}' is cut: its prompt has {len(ids)} tokens, and {context - 2} fit."))
