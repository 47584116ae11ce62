"""What gates ask about an artifact: its answers, in each way of reading it, and its structure, each computed once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.execution import Execution
from pe_validate.data.machine import Machine
from pe_validate.data.outputs import Array, Outputs, Reading
from pe_validate.data.structure import Structure
from pe_validate.gates.base import MisfitError, Subject
from pe_validate.inputs.images import Sample
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.base import Model
from pe_validate.reference.reference import Reference
from pe_validate.system.allowance import memory_for
from pe_validate.system.process import Child
from pe_validate.targets.base import Purpose, Target
from pe_validate.targets.open import run
from pe_validate.targets.runtime import Runtime

BUDGET: Final = 3600.0
"""Seconds that the answers of one artifact may take, in each way of reading it; the largest model's take minutes."""


class Evidence:
    """One artifact on this machine, run in a child process that ends with :meth:`close`.

    ``artifact`` is known of what was made here. ``structure`` is given where it has been read before. ``output`` picks
    one of several. ``partner`` is what the same model answers in another form that an app may use in its place.
    ``threads`` is how many the artifact's runtime uses, all by default.
    """

    native: Outputs | None = None
    """What the artifact answers on this machine's own CPU, where it is examined on another one that computes alike."""
    execution: Execution | None = None
    """What ran, on a machine that tells."""

    def __init__(
        self,
        subject: Subject,
        path: Path,
        reference: Reference,
        *,
        artifact: Artifact | None = None,
        structure: Structure | None = None,
        output: str | None = None,
        partner: Outputs | None = None,
        threads: int | None = None,
    ) -> None:
        self.subject, self.path, self.reference = subject, path, reference
        self.artifact, self.partner = artifact, partner
        self._structure, self._output, self._threads = structure, output, threads
        self._child: Child | None = None
        self._opened: tuple[Reading, Runtime] | None = None
        self._answers: dict[Reading, Outputs | MisfitError] = {}

    @property
    def case(self) -> Case:
        """The case that the artifact is, or claims to be."""
        return self.subject.case

    @property
    def model(self) -> Model:
        """The case's model."""
        return self.reference.model

    @property
    def target(self) -> Target:
        """The case's target."""
        return self.subject.target

    @property
    def machine(self) -> Machine:
        """Where it runs."""
        return self.subject.machine

    def answers(self, purpose: Purpose) -> Outputs:
        """Return the features of every input of the reference, read for a purpose.

        Raises:
            MisfitError: the artifact takes no such inputs.
            RunError: it cannot be loaded or executed.
        """
        reading = self.target.reading(self.case.precision, purpose)
        if reading not in self._answers:
            try:
                self._answers[reading] = self._run(self.runtime(purpose))
            except MisfitError as misfit:
                self._answers[reading] = misfit
        found = self._answers[reading]
        if isinstance(found, MisfitError):
            raise found
        return found

    def _run(self, runtime: Runtime) -> Outputs:
        wanted, shape = runtime.image_spec(), self.reference.inputs[0].image.shape
        if not wanted.accepts(shape):
            raise MisfitError(runtime.producer, f"it takes {wanted}, the model an image of {list(shape)}")
        return run(runtime, self.reference.inputs)

    def runtime(self, purpose: Purpose) -> Runtime:
        """Return the loaded artifact; only one way of reading is open at a time.

        Raises:
            RunError: it cannot be loaded.
        """
        reading = self.target.reading(self.case.precision, purpose)
        if self._opened is None or self._opened[0] != reading:
            self._child = self._child or Child(memory=memory_for(self.path), preload=self.target.preload)
            runtime = IsolatedRuntime(
                self.path,
                self.case.target,
                reading,
                self._output,
                threads=self._threads,
                child=self._child,
                budget=BUDGET,
            )
            self._opened = reading, runtime
        return self._opened[1]

    @cached_property
    def comparable(self) -> bool:
        """Whether it answers as the model does in shape, so that it can be asked more."""
        try:
            found, expected = self.answers("model").features, self.reference.trained.features
        except MisfitError:
            return False
        return all(found[name].shape == value.shape for name, value in expected.items() if name in found)

    def ask(self, samples: tuple[Sample, ...]) -> Outputs:
        """Return the features of other inputs, as a device computes them.

        Raises:
            RunError: it cannot be executed.
        """
        return run(self.runtime("model"), samples)

    @cached_property
    def extremes(self) -> Outputs:
        """The features of the darkest and the brightest image."""
        return self.ask(self.reference.extremes.images)

    @cached_property
    def first_again(self) -> Array:
        """The features of the first extreme, asked once more after the others."""
        assert self.extremes
        return self.runtime("model").run(self.reference.extremes.images[0].image)

    def together(self) -> Array:
        """Return the features of all inputs, given in one call.

        Raises:
            RunError: it does not take several.
        """
        images = np.concatenate([sample.image for sample in self.reference.inputs])
        return self.runtime("model").run(images)

    @cached_property
    def structure(self) -> Structure:
        """What can be read of the artifact without running it; it was read, perhaps, when it was made."""
        if self._structure is not None:
            return self._structure
        if self.artifact and self.artifact.delegation:
            return Structure(self.artifact.delegation)
        return self.target.structure(self.path)

    def close(self) -> None:
        """End the child process."""
        if self._child:
            self._child.close()
        self._child = self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
