"""Artifacts with and without faults, and what they are held to."""

from __future__ import annotations

from pathlib import Path

from planting import export_with

from pe_validate.case import Case
from pe_validate.data.artifact import Artifact
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.reference.reference import Reference, reference
from pe_validate.reference.store import AnswerStore
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.recipes import calibration_images
from pe_validate.targets.registry import target_of

EXPORT_SECONDS = 600


class Exporter:
    """Plants and exports; the libraries are imported once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._child: Child | None = None

    def __call__(
        self,
        fault: str | None,
        case: Case,
        model: Reference,
        folder: Path,
        weights: str = DEFAULT_WEIGHTS,
        option: str | None = None,
    ) -> Artifact:
        self._child = self._child or Child(self._folder / "export.log", preload=target_of(case).writers)
        images = calibration_images(case)
        try:
            return self._child.call(
                export_with,
                EXPORT_SECONDS,
                fault,
                case,
                weights,
                model.weights.sha256,
                folder,
                images,
                option,
                self._folder,
            )
        except ChildError:
            self.close()
            raise

    def close(self) -> None:
        if self._child:
            self._child.close()
        self._child = None


class References:
    """Sound references by model and weights, and those of a world in which the rewrite itself is wrong."""

    def __init__(self, answers: Path) -> None:
        self._store = AnswerStore(answers)
        self._sound: dict[tuple[str, str], Reference] = {}

    def sound(self, model: str, weights: str = DEFAULT_WEIGHTS) -> Reference:
        if (model, weights) not in self._sound:
            self._sound[model, weights] = reference(model, weights, store=self._store)
        return self._sound[model, weights]

    def sick(self, model: str) -> Reference:
        """What is computed of its rewrite has to be computed while the fault is planted, and is kept nowhere else.

        To be called before: the model itself is sound, and so are its answers.
        """
        sound = self.sound(model)
        sick = Reference(sound.model, sound.weights, sound.module, sound.inputs)
        for answers in ("trained", "search", "extremes"):
            vars(sick)[answers] = getattr(sound, answers)
        return sick
