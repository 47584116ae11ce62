"""Write, read and run exported programs, and interpret them node by node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.export import ExportedProgram

from pe_validate.data.tensors import INPUT_NAME, OUTPUT_NAME, TensorSpec
from pe_validate.models.own.archive import check_plain
from pe_validate.system.errors import RunError
from pe_validate.targets.base import Example, Values
from pe_validate.targets.intermediates import is_wanted
from pe_validate.targets.runtime import Given, Runtime

METADATA: Final = "pe_validate.json"
"""The file in the archive's ``extra/`` folder that holds the metadata."""


def write_pt2(module: nn.Module, example: Example, path: Path, metadata: dict[str, str]) -> None:
    """Export ``module`` for inputs like those of ``example`` and save the program.

    Raises:
        Exception: whatever ``torch.export`` raises; the caller names the stage.
    """
    program = torch.export.export(module, example.tensors, dynamic_shapes=example.dynamic_shapes)
    torch.export.save(program, path, extra_files={METADATA: json.dumps(metadata)})


def read_pt2(path: Path) -> ExportedProgram:
    """Load a program; call it in a child process, because the reader of archives is C++ and may crash.

    Raises:
        RunError: the file is damaged, or would run code of its own.
    """
    check_plain(path)
    try:
        return torch.export.load(path)
    except Exception as error:
        raise RunError(f"'{path}' cannot be loaded by PyTorch, it is damaged: {type(error).__name__}.") from error


class Pt2Runtime(Runtime):
    """A ``.pt2`` file, run by PyTorch."""

    def __init__(self, path: Path, threads: int | None = None) -> None:
        if threads:
            torch.set_num_threads(threads)
        program = read_pt2(path)
        self.producer = f"PyTorch {torch.__version__} exported program"
        self.inputs = _specs(program, program.graph_signature.user_inputs, INPUT_NAME)
        self.outputs = _specs(program, program.graph_signature.user_outputs, OUTPUT_NAME)
        self._module = program.module(check_guards=False)  # guards are Python, which an archive may have of its own

    def compute(self, given: Given, wanted: Sequence[int]) -> Given:
        """Run it; see :meth:`Runtime.compute`."""
        with torch.inference_mode():
            answer = self._module(*map(torch.from_numpy, given))
        answers = answer if isinstance(answer, (tuple, list)) else (answer,)
        return [answers[index].numpy() for index in wanted]


def _specs(program: ExportedProgram, names: tuple[object, ...], called: str) -> tuple[TensorSpec, ...]:
    """Return what a program declares; an only input or output is given the name ``called``."""
    nodes = {node.name: node for node in program.graph.nodes}
    found = []
    for number, name in enumerate(names):
        value = nodes[str(name)].meta["val"] if str(name) in nodes else None
        if not isinstance(value, Tensor):
            raise RunError(f"The exported program takes or gives '{name}', which is no tensor.")
        shape = tuple(size if isinstance(size, int) else -1 for size in value.shape)
        dtype = str(value.dtype).removeprefix("torch.")
        found.append(TensorSpec(called if len(names) == 1 else f"{called}{number}", shape, dtype))
    return tuple(found)


class _Recorder(fx.Interpreter):
    """Interprets a program and keeps the floating-point values with some number of elements."""

    def __init__(self, module: fx.GraphModule, sizes: frozenset[int]) -> None:
        super().__init__(module)
        self._sizes = sizes
        self.values: Values = {}

    def run_node(self, n: fx.Node) -> Any:
        """Run a node, and keep its result if it is wanted."""
        result = super().run_node(n)
        if n.op == "call_function" and isinstance(result, Tensor):
            array = result.detach().numpy()
            if is_wanted(array, self._sizes):
                self.values[n.name] = array.astype(np.float32)
        return result


def intermediates(path: Path, image: NDArray[np.generic], sizes: frozenset[int]) -> Values:
    """Return the floating-point values with one of ``sizes`` elements, by name, in order; runs in a child process."""
    module = read_pt2(path).module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    recorder = _Recorder(module, sizes)
    with torch.inference_mode():
        recorder.run(torch.from_numpy(image))
    return recorder.values
