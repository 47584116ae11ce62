"""Run artifacts in a child process, so that a damaged file that kills its runtime becomes an error message here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from time import monotonic
from typing import ParamSpec, TypeVar

import numpy as np

from pe_validate.data.case import Case
from pe_validate.data.outputs import Reading
from pe_validate.data.tensors import Interface, TensorSpec
from pe_validate.system.allowance import memory_for
from pe_validate.system.errors import PEValidateError, RunError
from pe_validate.system.process import Child, ChildError
from pe_validate.targets.open import load
from pe_validate.targets.registry import target_named
from pe_validate.targets.runtime import Given, Runtime

P = ParamSpec("P")
T = TypeVar("T")

RUN_TIMEOUT = 300.0
"""Seconds for loading or for one inference; the largest model takes about ten."""


LARGEST_ANSWER = 2**25
"""The most bytes of the outputs for one image; the largest model's has three million."""


class IsolatedRuntime(Runtime):
    """A runtime of any target, in a child process.

    ``child`` is used instead of a new one. ``timeout`` is in seconds, for loading and for each inference; ``budget``
    is in seconds for all of them together, since a file may just keep every timeout. ``interface`` is that of the
    model that it is compared with.
    """

    def __init__(
        self,
        path: Path,
        target: str,
        reading: Reading,
        output: str | None = None,
        *,
        interface: Interface | None = None,
        threads: int | None = None,
        child: Child | None = None,
        timeout: float = RUN_TIMEOUT,
        budget: float = inf,
    ) -> None:
        self._name = f"'{path}'"
        self._timeout, self._budget, self._left = timeout, budget, budget
        self._child = child or Child(memory=memory_for(path), preload=target_named(target).preload)
        self._borrowed = child is not None
        try:
            opened = self._call(_open, path, target, reading, output, interface, threads)
        except ChildError as error:
            self.close()
            raise RunError(f"'{path}' cannot be loaded: {error}.") from error
        except PEValidateError:
            self.close()
            raise
        self.producer, self.inputs, self.outputs = opened
        self.output_name, self.interface = output, interface

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it in the child; see :meth:`Runtime.compute`."""
        try:
            found, self.notes = self._call(_compute, given, wanted)
        except ChildError as error:
            raise RunError(f"{self._name} failed in {self.producer}: {error}.") from error
        return found

    def _call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._left <= 0:
            raise ChildError(f"its answers took more than {self._budget:g} s in all")
        start = monotonic()
        try:
            return self._child.call(function, self._timeout, *args, **kwargs)
        finally:
            self._left -= monotonic() - start

    def close(self) -> None:
        """End the child process, unless it was given by the caller."""
        if not self._borrowed:
            self._child.close()

    def __enter__(self) -> IsolatedRuntime:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def opened(case: Case, path: Path, interface: Interface | None = None) -> IsolatedRuntime:
    """Open an artifact of a case as a device computes it; ``interface`` is that of the model.

    Raises:
        RunError: it cannot be loaded.
    """
    reading = target_named(case.target).reading(case.precision, "model")
    return IsolatedRuntime(path, case.target, reading, interface=interface)


_runtime: Runtime | None = None  # the child's own, set by _open


def _open(
    path: Path, target: str, reading: Reading, output: str | None, interface: Interface | None, threads: int | None
) -> tuple[str, tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    global _runtime
    _runtime = None  # freed first: two runtimes at once may exceed the child's memory limit
    _runtime = load(path, target, reading, threads)
    _runtime.output_name, _runtime.interface = output, interface
    return _runtime.producer, _runtime.inputs, _runtime.outputs


def _compute(given: Given, wanted: Sequence[int]) -> tuple[Given, tuple[str, ...]]:
    assert _runtime
    found = _runtime.compute([np.require(array, array.dtype, ["C", "A", "W"]) for array in given], wanted)
    # The parent has no memory limit, and keeps dozens of outputs.
    if sum(array.nbytes for array in found) > LARGEST_ANSWER * len(given[0]):
        values = sum(array.size for array in found)
        raise RunError(f"{_runtime.producer} answered with {values:,} values, which no encoder does.")
    return [np.array(array) for array in found], _runtime.notes  # copies: runtimes reuse their buffers
