"""Write an ExecuTorch ``.pte`` lowered to XNNPACK."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from torch import fx, nn
from torch.export import ExportedProgram

from pe_validate.targets.base import Example

if TYPE_CHECKING:
    from executorch.exir import EdgeProgramManager

DEBUG_METADATA: Final = ("from_node", "stack_trace", "nn_module_stack", "torch_fn")
"""Node metadata that no pass reads but every pass copies (ExecuTorch 1.4.1)."""

PLAIN_OPERATORS: Final = {
    *("add.Tensor", "sub.Tensor", "mul.Tensor", "rsqrt.default", "gelu.default", "clamp.default", "sigmoid.default"),
    *("linear.default", "bmm.default", "softmax.int", "conv2d.default"),
    *("cat.default", "view.default", "reshape.default", "transpose.int", "permute.default", "slice.Tensor"),
    *("choose_qparams_affine.default", "quantize_affine.default", "dequantize_affine.default", "getitem"),
    *("quantize_per_tensor.default", "dequantize_per_tensor.default", "dequantize_per_channel.default"),
    "access_subclass_inner_tensor.default",
}
"""Operators that 15 of XNNPACK's 17 passes do not change (ExecuTorch 1.4.1), as ``torch.export`` names them."""


TAG: Final = "tag0"
"""The standard partitioner's name for its first partition; constants are tagged with it."""


def write_pte(module: nn.Module, example: Example, path: Path, metadata: dict[str, str]) -> None:
    """Lower ``module`` for inputs like those of ``example``, and write the program.

    ``metadata`` becomes constant methods of the program, readable with the ExecuTorch runtime.

    Raises:
        Exception: whatever the exporter raises; the caller names the stage.
    """
    program = torch.export.export(module, example.tensors)
    constants = {f"pe_{key}": value for key, value in metadata.items()}
    operators = {getattr(node.target, "__name__", "") for node in _calls(program)}
    lower = lower_whole if operators <= PLAIN_OPERATORS else lower_by_partitions
    for node in program.graph.nodes:
        for key in DEBUG_METADATA:
            node.meta.pop(key, None)
    with _no_garbage_collection():
        executable = lower(program, constants).to_executorch()
    with path.open("wb") as file:
        executable.write_to_file(file)


def lower_by_partitions(program: ExportedProgram, constants: dict[str, str]) -> EdgeProgramManager:
    """Lower a program as ExecuTorch's documentation says; most of the time goes into passes without effect here."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    return to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()], constant_methods=constants)


def lower_whole(program: ExportedProgram, constants: dict[str, str]) -> EdgeProgramManager:
    """Lower a graph of PLAIN_OPERATORS as a single partition: byte for byte the same program in a third of the time.

    Each pass interprets every node again. Only those with something to do are run: of ExecuTorch's those in
    ``_passes_with_effect``, of XNNPACK's two here, and ConvertToLinearPass in the backend.

    Raises:
        RuntimeError: XNNPACK does not support some operator.
    """
    from executorch.backends.xnnpack import _passes as passes
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.xnnpack_preprocess import XnnpackBackend
    from executorch.exir import EdgeCompileConfig, to_edge
    from executorch.exir.backend.compile_spec_schema import CompileSpec
    from executorch.exir.backend.partitioner import DelegationSpec, PartitionResult
    from executorch.exir.pass_base import ExportedProgramPassBase, ExportedProgramPassResult

    class Prepare(ExportedProgramPassBase):  # type: ignore[misc]  # executorch publishes no types
        def call(self, exported_program: ExportedProgram) -> ExportedProgramPassResult:
            XnnpackPartitioner().partition(exported_program)  # it also tags constants
            if left := [node.name for node in _calls(exported_program) if node.meta.get("delegation_tag") != TAG]:
                raise RuntimeError(f"XNNPACK does not take {', '.join(left)} into one partition")
            needed = [passes.XNNPACKRemoveCloneOpsTransform, passes.ChannelsLastTaggedReshapePass]
            ready = passes.XNNPACKPassManager(exported_program, needed).transform()
            return ExportedProgramPassResult(ready, True)

    class Whole(XnnpackPartitioner):  # type: ignore[misc]  # the same
        def __init__(self) -> None:
            super().__init__()
            # The only way to tell XnnpackBackend.preprocess() to run ConvertToLinearPass and nothing else.
            instruction = CompileSpec("dqlinear_partitioner", b"")
            self.delegation_spec = DelegationSpec(XnnpackBackend.__name__, [instruction])

        def partition(self, exported_program: ExportedProgram) -> PartitionResult:
            for node in _calls(exported_program):
                node.meta["delegation_tag"] = TAG
            return PartitionResult(exported_program, {TAG: self.delegation_spec})

    kept, _ = XnnpackPartitioner().ops_to_not_decompose(program)
    config = EdgeCompileConfig(preserve_ops=kept, _check_ir_validity=False, _skip_dim_order=True)
    partitioner = Whole()
    with _passes_with_effect():
        edge = to_edge(program, constant_methods=constants, compile_config=config)
    lowered = edge.transform([Prepare()]).to_backend(partitioner)
    partitioner.delegation_spec.compile_specs.clear()  # meant for the lowering, not for the phone
    return lowered


def _calls(program: ExportedProgram) -> list[fx.Node]:
    return [node for node in program.graph.nodes if node.op == "call_function"]


@contextmanager
def _passes_with_effect() -> Iterator[None]:
    """Leave out the passes of ``to_edge`` that change no graph of PLAIN_OPERATORS of one type (ExecuTorch 1.4.1)."""
    from executorch.exir.passes import base_post_op_replace_passes
    from executorch.exir.passes.prune_empty_tensors_pass import PruneEmptyTensorsPass
    from executorch.exir.passes.remove_noop_pass import RemoveNoopPass
    from executorch.exir.passes.scalar_to_tensor_pass import ScalarToTensorPass
    from executorch.exir.program import _program

    every = _program._get_aten_to_edge_passes
    needed = [ScalarToTensorPass(), RemoveNoopPass(), PruneEmptyTensorsPass()]
    _program._get_aten_to_edge_passes = lambda config: (needed, base_post_op_replace_passes)
    try:
        yield
    finally:
        _program._get_aten_to_edge_passes = every


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Disable garbage collection: lowering allocates millions of small objects that all stay reachable."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
