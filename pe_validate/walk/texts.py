"""The text side of ``pe-validate accuracy``: the features of prompts or captions."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pe_validate.data.case import EAGER, Case
from pe_validate.data.features import Features
from pe_validate.models.registry import text_model_of
from pe_validate.targets.export import export
from pe_validate.walk.accuracy import Gatherer, eager, of_artifact
from pe_validate.walk.classes import text_case


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

    def features(self, image: Case) -> Features:
        """Return the features of all texts, gathered once for each tower.

        Raises:
            UsageError, LoadError, ExportError, RunError, FileError: that stage could not do its work.
        """
        case = self.case(image)
        if case not in self._found:
            threads = self.gatherer.workers.threads
            if case.target == EAGER:
                answerer = eager(case.model, self.weights, threads)
            else:
                answerer = of_artifact(export(case, self.weights, self.cache_dir), self.weights, threads)
            self._found[case] = self.gatherer.gather(answerer)
        return self._found[case]
