"""Module → ExecuTorch ``.pte``, lowered to XNNPACK."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

DEBUG_METADATA = ("from_node", "stack_trace", "nn_module_stack", "torch_fn")
"""Node metadata that no pass reads and that every pass copies (ExecuTorch 1.4.1)."""


def write_pte(module: nn.Module, image: Tensor, path: Path, metadata: dict[str, str]) -> None:
    """Lower ``module`` for inputs of ``image``'s shape.

    ``metadata`` becomes constant methods of the program, readable with the ExecuTorch runtime.

    Raises:
        Exception: whatever the exporter raises; the caller names the stage.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(module, (image,))
    for node in program.graph.nodes:
        for key in DEBUG_METADATA:
            node.meta.pop(key, None)
    with _no_garbage_collection():
        edge = to_edge_transform_and_lower(
            program,
            partitioner=[XnnpackPartitioner()],
            constant_methods={f"pe_{key}": value for key, value in metadata.items()},
        )
        executable = edge.to_executorch()
    with path.open("wb") as file:
        executable.write_to_file(file)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Lowering allocates millions of small objects that all stay reachable: collecting is wasted time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
