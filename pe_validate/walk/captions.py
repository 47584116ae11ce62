"""The walk of ``pe-validate accuracy`` on captions: images find their texts and texts their images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pe_validate.data.classification import Task
from pe_validate.data.features import Features
from pe_validate.machines.answering import Answerer
from pe_validate.tasks.classify import Ranked
from pe_validate.tasks.recall import Embedded, ranks
from pe_validate.walk.accuracy import Experiment, Gatherer
from pe_validate.walk.texts import TextSide

IMAGE_TO_TEXT = "image to text"
TEXT_TO_IMAGE = "text to image"


@dataclass(frozen=True)
class Retrieval(Experiment):
    """Images and their captions, R@1 and R@5 both ways."""

    images: Gatherer
    weights: str
    texts: TextSide

    @property
    def task(self) -> Task:
        """What the report says of it."""
        captions = self.texts.gatherer.dataset.images or 0
        return Task(str(self.images.dataset.path), f"their features{self.texts.made_by}", captions=captions)

    def ranked(self, answerer: Answerer, found: Features) -> Mapping[str, Ranked]:
        """Return the ranks of images among texts, and of texts among images."""
        said = self.texts.features(self.texts.case(answerer.case))
        images, texts = (Embedded(each.values, each.labels) for each in (found, said))
        return {
            IMAGE_TO_TEXT: Ranked(found.names, found.labels, ranks(images, texts)),
            TEXT_TO_IMAGE: Ranked(said.names, said.labels, ranks(texts, images)),
        }
