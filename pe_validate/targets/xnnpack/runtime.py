"""ExecuTorch's runtime, through the C++ bindings of its wheel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import torch

from pe_validate.system.errors import RunError
from pe_validate.targets.runtime import Given, Runtime
from pe_validate.targets.xnnpack.bindings import executorch
from pe_validate.targets.xnnpack.missing import data_beside, why_refused
from pe_validate.targets.xnnpack.orders import memory_orders
from pe_validate.targets.xnnpack.signature import Signature, laid_out, signature

Program: TypeAlias = Any
"""An ``ExecuTorchProgram`` or an ``ExecuTorchModule``; ExecuTorch publishes no types."""


class ExecuTorchRuntime(Runtime):
    """The ``forward`` method of a ``.pte``; load it in a child process, because damaged programs abort the process."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if not path.is_file():
            raise RunError(f"'{path}' cannot be loaded by ExecuTorch: there is no such file.")
        if threads:
            executorch._unsafe_reset_threadpool(threads)  # there is one pool for the whole process
        try:
            self._program, self._method = _loaded(path)  # the method borrows from the program: keep both
            self.inputs, self.outputs = declared(self._program, path)
        except RuntimeError as error:
            raise RunError(f"'{path}' cannot be loaded by ExecuTorch: {why_refused(path, str(error))}.") from error
        self.producer = f"ExecuTorch {version('executorch')}"

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        arranged = (laid_out(array, spec) for array, spec in zip(given, self.inputs, strict=True))
        found: list[torch.Tensor] = self._method([torch.from_numpy(array) for array in arranged])
        return [found[index].numpy() for index in wanted]


def _loaded(path: Path) -> tuple[Program, Callable[[list[torch.Tensor]], list[torch.Tensor]]]:
    """Load a program, together with the constants beside it if it needs them; return it, and its ``forward``.

    Raises:
        RuntimeError: it cannot be loaded.
    """
    program = executorch._load_program(str(path))
    try:
        return program, program.load_method("forward")
    except RuntimeError:
        if not (constants := data_beside(path)):
            raise
    module = executorch._load_for_executorch(str(path), str(constants))
    return module, module.forward


def declared(program: Program, path: Path) -> Signature:
    """Return the inputs and the outputs of ``forward`` of a program, which was loaded from ``path``.

    Raises:
        RunError: the file is damaged.
    """
    metadata = program.method_meta("forward")
    inputs = [metadata.input_tensor_meta(i) for i in range(metadata.num_inputs())]
    outputs = [metadata.output_tensor_meta(i) for i in range(metadata.num_outputs())]
    taken, given = ([(tuple(m.sizes()), m.dtype()) for m in metas] for metas in (inputs, outputs))
    return signature(taken, given, memory_orders(path))
