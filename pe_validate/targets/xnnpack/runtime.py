"""ExecuTorch's runtime, through the C++ bindings of its wheel."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import torch

# Not executorch.runtime, which imports the whole exporter (6-10 s) to run a file.
from executorch.extension.pybindings import _portable_lib as executorch

from pe_validate.data.tensors import TensorSpec
from pe_validate.system.errors import RunError
from pe_validate.targets.runtime import Given, Runtime
from pe_validate.targets.xnnpack.signature import signature


class ExecuTorchRuntime(Runtime):
    """The ``forward`` method of a ``.pte``; load it in a child process, because damaged programs abort the process."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if threads:
            executorch._unsafe_reset_threadpool(threads)  # there is one pool for the whole process
        try:
            # The method borrows from the program: keep both.
            self._program = executorch._load_program(str(path))
            self._method = self._program.load_method("forward")
            self.inputs, self.outputs = declared(self._program)
        except RuntimeError as error:
            raise RunError(
                f"'{path}' cannot be loaded by ExecuTorch, it is truncated or not a program: {error}."
            ) from error
        self.producer = f"ExecuTorch {version('executorch')}"

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        found: list[torch.Tensor] = self._method([torch.from_numpy(array) for array in given])
        return [found[index].numpy() for index in wanted]


def declared(program: executorch.ExecuTorchProgram) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """Return the inputs and the outputs of ``forward``."""
    metadata = program.method_meta("forward")
    inputs = [metadata.input_tensor_meta(i) for i in range(metadata.num_inputs())]
    outputs = [metadata.output_tensor_meta(i) for i in range(metadata.num_outputs())]
    return signature(*([(tuple(m.sizes()), m.dtype()) for m in metas] for metas in (inputs, outputs)))
