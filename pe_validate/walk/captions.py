"""The walk of ``pe-validate accuracy`` on captions: images find their texts and texts their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.classification import Classification, Task
from pe_validate.data.features import Features
from pe_validate.machines.answering import Answerer
from pe_validate.models.registry import text_model_of
from pe_validate.tasks.classify import Ranked, accuracy
from pe_validate.tasks.recall import Embedded, ranks
from pe_validate.walk.accuracy import Gatherer, answerer_of, eager, held_to, of_artifact
from pe_validate.walk.classes import text_case

IMAGE_TO_TEXT = "image to text"
TEXT_TO_IMAGE = "text to image"


@dataclass(frozen=True)
class Retrieval:
    """Images and texts, and the artifact of the text tower, ``by``, that artifacts are paired with; else PyTorch."""

    images: Gatherer
    texts: Gatherer
    weights: str
    by: str | None
    cache_dir: Path | None

    @property
    def task(self) -> Task:
        """What the report says of it."""
        made_by = f", embedded for artifacts by {self.by}" if self.by else ""
        texts = self.texts.dataset
        return Task(str(self.images.dataset.path), f"their features{made_by}", captions=texts.images or 0)

    def measure(self, artifacts: Mapping[Case, Artifact]) -> tuple[tuple[Classification, ...], Mapping[str, str]]:
        """Return R@1 and R@5 both ways, of PyTorch and of every artifact, and the images that cannot be read.

        Raises:
            UsageError: a model has no text tower.
            LoadError, ExportError, RunError, FileError: that stage could not do its work.
        """
        rows: list[Classification] = []
        broken: dict[str, str] = {}
        threads = self.images.workers.threads
        for model in dict.fromkeys(case.model for case in artifacts):
            asked, before = self._both_ways(eager(model, self.weights, threads))
            broken |= asked.broken
            rows += [row for row, _ in before.values()]
            for case, artifact in artifacts.items():
                if case.model == model:
                    _, after = self._both_ways(of_artifact(artifact, self.weights, threads))
                    rows += [held_to(row, before[task][1], ranked) for task, (row, ranked) in after.items()]
        return tuple(rows), broken

    def _both_ways(self, answerer: Answerer) -> tuple[Features, dict[str, tuple[Classification, Ranked]]]:
        """Return the features of the images, and for each direction its row and its ranks."""
        text = text_case(None if answerer.path is None else self.by, text_model_of(answerer.case.model).name)
        seen = self.images.gather(answerer)
        said = self.texts.gather(answerer_of(text, self.weights, self.texts.workers.threads, self.cache_dir))
        images, texts = (Embedded(each.values, each.labels) for each in (seen, said))
        ways = {
            IMAGE_TO_TEXT: Ranked(seen.names, seen.labels, ranks(images, texts)),
            TEXT_TO_IMAGE: Ranked(said.names, said.labels, ranks(texts, images)),
        }
        rows = {task: accuracy(answerer.case, seen.producer, answerer.identity, way) for task, way in ways.items()}
        return seen, {task: (replace(rows[task], task=task, per_class=None), way) for task, way in ways.items()}
