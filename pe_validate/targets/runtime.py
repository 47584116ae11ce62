"""The interface of every runtime: tensors in, tensors out, both checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Array
from pe_validate.data.tensors import OUTPUT_NAME, Interface, TensorSpec
from pe_validate.system.errors import RunError

Given: TypeAlias = Sequence[NDArray[np.generic]]
"""Arrays, in the order of the inputs or the outputs that they belong to."""


class Runtime(ABC):
    """A loaded artifact that is ready to run.

    Subclasses set ``producer`` (name and version of the runtime), ``inputs`` and ``outputs`` (as the artifact
    declares them), and implement :meth:`compute`. ``interface`` is that of the model whose inputs are given and whose
    outputs are wanted; by default one output is. ``output_name`` selects one of several outputs; ``notes`` are
    observations from the last run.
    """

    interface: Interface | None = None
    output_name: str | None = None
    notes: tuple[str, ...] = ()
    producer: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, *given: NDArray[np.generic]) -> Array:
        """Return the only output that is wanted; see :meth:`answer`."""
        (features,) = self.answer(given)
        return features

    def answer(self, given: Given) -> tuple[Array, ...]:
        """Return the outputs that are wanted, in float32, for the model's inputs.

        They may have any memory layout: they are made contiguous, because ExecuTorch ignores strides. They are
        converted to the type that the artifact declares, if it is one of the same kind, such as float16.

        Raises:
            RunError: the inputs or the outputs do not match what the artifact declares.
        """
        arranged = self._arranged(given)
        for array, spec in zip(arranged, self.inputs, strict=True):
            if not _suits(array, spec):
                listed = f"{array.dtype}{list(array.shape)}"
                raise RunError(f"{self.producer} was given {listed}; the artifact declares {spec}.")
        wanted = self.wanted()
        # Contiguous, aligned and writable, copied only if needed: PyTorch warns about read-only arrays.
        converted = [a.astype(s.dtype, copy=False) for a, s in zip(arranged, self.inputs, strict=True)]
        found = self.compute([np.require(a, a.dtype, ["C", "A", "W"]) for a in converted], wanted)
        for array, index in zip(found, wanted, strict=True):
            if not self.outputs[index].accepts(array.shape):
                raise RunError(
                    f"{self.producer} answered with {list(array.shape)}; the artifact declares {self.outputs[index]}."
                )
        return tuple(np.array(array, dtype=np.float32) for array in found)  # copies: runtimes reuse their buffers

    def takes(self, given: Given) -> bool:
        """Return whether the artifact takes such inputs.

        Raises:
            RunError: it has another number of inputs, or none of the names that the model's have.
        """
        return all(_suits(array, spec) for array, spec in zip(self._arranged(given), self.inputs, strict=True))

    def wanted(self) -> tuple[int, ...]:
        """Return the places, among ``outputs``, of those that are wanted, in the order of the model's outputs.

        Raises:
            RunError: the artifact does not have them.
        """
        places = {spec.name: index for index, spec in enumerate(self.outputs)}
        names = [spec.name for spec in self.interface.outputs] if self.interface else [OUTPUT_NAME]
        if self.output_name:
            names = [self.output_name]
        if all(name in places for name in names):
            return tuple(places[name] for name in names)
        if self.output_name is None and len(self.outputs) == len(names):  # known by their places alone
            return tuple(range(len(names)))
        if self.output_name is None and self.interface and len(names) == 1:  # or by its shape
            (wanted,) = self.interface.outputs
            fitting = [index for index, spec in enumerate(self.outputs) if spec.accepts(wanted.shape)]
            if len(fitting) == 1:
                return tuple(fitting)
        listed = ", ".join(map(str, self.outputs)) or "nothing"
        raise RunError(f"The artifact gives {listed}; say which one is to be validated.")

    def _arranged(self, given: Given) -> Given:
        """Return the model's inputs in the order of the artifact's: by name if it has those names, else by place.

        Raises:
            RunError: they cannot be told apart.
        """
        names = [spec.name for spec in self.interface.inputs] if self.interface else []
        if len(names) == len(given) > 1 and self.inputs and all(spec.name in names for spec in self.inputs):
            return [given[names.index(spec.name)] for spec in self.inputs]
        if len(self.inputs) != len(given):
            listed = ", ".join(map(str, self.inputs)) or "nothing"
            expected = "one was" if len(given) == 1 else f"{len(given)} were"
            raise RunError(f"The artifact takes {listed}; {expected} expected.")
        return given

    @abstractmethod
    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Compute the outputs at the places ``wanted`` for contiguous inputs of the declared shapes and types."""


def _suits(array: NDArray[np.generic], spec: TensorSpec) -> bool:
    """Return whether an array can be given for an input: integers of any width, and floats from float32."""
    given = TensorSpec("", array.shape, str(array.dtype))
    return spec.accepts(array.shape) and given.kind == spec.kind and (given.kind != "f" or given.dtype == "float32")
