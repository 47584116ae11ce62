"""The evidence that gates ask for: an artifact's outputs, in each reading, and its structure, each computed once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.artifact import Artifact
from pe_validate.data.case import Case
from pe_validate.data.compare import up_to_rounding
from pe_validate.data.contract import Contract
from pe_validate.data.execution import Execution
from pe_validate.data.machine import Machine
from pe_validate.data.outputs import Array, Outputs, Reading
from pe_validate.data.progress import Counted, uncounted
from pe_validate.data.structure import Structure
from pe_validate.data.tensors import TensorSpec
from pe_validate.gates.base import MisfitError, Subject
from pe_validate.inputs.images import Sample
from pe_validate.machines.adapted import AdaptedRuntime, as_given, contract_of
from pe_validate.machines.isolation import IsolatedRuntime
from pe_validate.models.base import Model
from pe_validate.reference.reference import Reference
from pe_validate.system.allowance import memory_for
from pe_validate.system.process import Child
from pe_validate.targets.base import Purpose, Target
from pe_validate.targets.open import run
from pe_validate.targets.registry import recipe
from pe_validate.targets.runtime import Runtime

BUDGET: Final = 3600.0
"""Seconds that all runs of one artifact may take in each reading; the largest model takes minutes."""


class Evidence:
    """The evidence of one artifact on this machine, run in a child process that :meth:`close` ends.

    ``artifact`` is known if it was exported here. ``structure`` is given if it has already been read. ``output`` names
    one of several outputs. ``partners`` hold the outputs of the same model on partner targets, which an app may use
    instead. ``accepted`` are the differences to the model's interface that are meant, by default those of the model's
    configuration. ``threads`` is the number that the artifact's runtime uses, by default one per core. ``counted`` is
    told how many inputs it has answered.
    """

    native: Outputs | None = None
    """The artifact's outputs on this machine's own CPU, if it is validated on another one that should agree."""
    execution: Execution | None = None
    """The kernels that ran, on a machine that reports them."""

    def __init__(
        self,
        subject: Subject,
        path: Path,
        reference: Reference,
        *,
        artifact: Artifact | None = None,
        structure: Structure | None = None,
        output: str | None = None,
        partners: tuple[Outputs, ...] = (),
        threads: int | None = None,
        accepted: Contract | None = None,
        counted: Counted = uncounted,
    ) -> None:
        self.subject, self.path, self.reference, self._counted = subject, path, reference, counted
        self.artifact, self.partners = artifact, partners
        self.accepted = accepted or reference.model.contract
        self._structure, self._output, self._threads = structure, output, threads
        self._child: Child | None = None
        self._contract: Contract | None = None
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
        """The machine that it runs on."""
        return self.subject.machine

    def answers(self, purpose: Purpose) -> Outputs:
        """Return the features of every input of the reference, in the reading for ``purpose``.

        Raises:
            MisfitError: the artifact does not take such inputs.
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
        if not runtime.takes(self.reference.inputs[0].values):
            wanted, has = (", ".join(map(str, specs)) for specs in (runtime.inputs, self.model.inputs))
            raise MisfitError(runtime.producer, f"it takes {wanted}, the model {has}")
        for index in runtime.wanted():
            if runtime.outputs[index].takes_bytes:
                self._require_bytes(runtime.producer, runtime.outputs[index])
        return run(runtime, self.reference.inputs, self._counted)

    def _require_bytes(self, producer: str, given: TensorSpec) -> None:
        """Refuse an output of 8-bit pixels, which holds whole numbers from 0 to 255, for a model that gives no such.

        Raises:
            MisfitError: rounding the model's answers to such numbers takes more than a tenth of them.
        """
        answers = np.concatenate([value.ravel() for value in self.reference.trained.features.values()])
        lost = np.linalg.norm(answers - np.clip(np.rint(answers), 0, 255))
        if lost > np.linalg.norm(answers) / 10:
            held = f"the model's answers lie between {answers.min():.3g} and {answers.max():.3g}"
            raise MisfitError(producer, f"it gives {given}: whole numbers from 0 to 255, and {held}")

    def runtime(self, purpose: Purpose) -> Runtime:
        """Return the loaded artifact; only one reading is open at a time.

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
                interface=self.model.interface,
                threads=self._threads,
                child=self._child,
                budget=BUDGET,
            )
            self._opened = reading, self._adapted(runtime)
        return self._opened[1]

    def _adapted(self, runtime: Runtime) -> Runtime:
        """Return a runtime that takes the model's input, if the file has another interface and a way is known."""
        if self.subject.made_here:
            return runtime
        if self._contract is None:
            self._contract = self.accepted or self._contract_found(runtime)
        return AdaptedRuntime(runtime, self.model, self._contract) if self._contract.words else runtime

    def _contract_found(self, runtime: Runtime) -> Contract:
        sample = self.reference.inputs[0]
        if len(sample.values) > 1 or runtime.takes(sample.values):
            return Contract()
        answer = self.reference.trained.features[sample.name]
        return contract_of(runtime, self.model, sample.image, answer) or Contract()

    @property
    def contract(self) -> Contract:
        """The differences of the file's interface to the model's, as far as they are known once it is open."""
        return self._contract or Contract()

    def as_given(self, outputs: Outputs, answers: Outputs) -> Outputs:
        """Return outputs of the model as the file's contract gives them, as far as the type of its outputs holds them.

        ``answers`` are the file's.
        """
        given = as_given(outputs, answers, self.contract)
        return up_to_rounding(given, answers) if self.rounds_outputs(answers) else given

    def rounds_outputs(self, answers: Outputs) -> bool:
        """Return whether a file of someone else's computes in float32 and rounds what it gives to float16."""
        return not self.subject.made_here and (recipe(self.case).scheme.dtype, answers.dtype) == ("float32", "float16")

    @cached_property
    def comparable(self) -> bool:
        """True if its outputs have the model's shapes, so that further inputs make sense."""
        try:
            found, expected = self.answers("model").features, self.reference.trained.features
        except MisfitError:
            return False
        return all(found[name].shape == value.shape for name, value in expected.items() if name in found)

    def ask(self, samples: tuple[Sample, ...]) -> Outputs:
        """Return the features of further inputs, as a device computes them.

        Raises:
            RunError: it cannot be executed.
        """
        return run(self.runtime("model"), samples)

    @cached_property
    def extremes(self) -> Outputs:
        """Features of the darkest and the brightest image."""
        return self.ask(self.reference.extremes.images)

    @cached_property
    def first_again(self) -> Outputs:
        """Features of the first extreme image, computed again after the others."""
        assert self.extremes
        return self.ask(self.reference.extremes.images[:1])

    @property
    def several_at_once(self) -> bool:
        """True if it takes several images in one call."""
        declared = self.runtime("model").inputs
        alone = not self.model.lengths  # else samples have other lengths, and other numbers of images, already
        return alone and len(declared) == len(self.model.outputs) == 1 and declared[0].shape[0] == -1

    def together(self, samples: Sequence[Sample]) -> Array:
        """Return the features of several inputs, ``[inputs, …]``, computed in one call.

        Raises:
            RunError: it does not take several images.
        """
        return self.runtime("model").run(np.concatenate([sample.image for sample in samples]))

    @cached_property
    def structure(self) -> Structure:
        """The structure of the artifact, read from the file unless it was read when the artifact was made."""
        if self._structure is not None:
            return self._structure
        if self.artifact and self.artifact.delegation:
            return Structure(self.artifact.delegation)
        return self.target.structure(self.path)

    def tensors(self, names: Iterable[str]) -> Mapping[str, NDArray[np.generic]]:
        """Return the tensors that the file stores under these names of the lowered graph, as far as it does.

        Raises:
            RunError: the file cannot be read.
        """
        return self.target.tensors(self.path, names)

    def close(self) -> None:
        """End the child process."""
        if self._child:
            self._child.close()
        self._child = self._opened = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
