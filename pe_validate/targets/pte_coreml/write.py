"""Write an ExecuTorch ``.pte`` lowered to Core ML: its single delegate holds an ``.mlpackage``."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from pe_validate.system.quiet import quiet_libraries
from pe_validate.targets.base import Example


def write_pte_coreml(module: nn.Module, example: Example, path: Path, metadata: dict[str, str], precision: str) -> None:
    """Lower ``module`` for inputs like those of ``example``, computing in ``precision`` (fp16 or fp32), for iOS 17.

    ``metadata`` becomes constant methods of the program, readable with the ExecuTorch runtime.

    Raises:
        Exception: whatever the exporter raises, for example for an operator that Core ML does not support.
    """
    with quiet_libraries():
        import coremltools as ct
        from executorch.backends.apple.coreml.compiler import CoreMLBackend
        from executorch.backends.apple.coreml.partition import CoreMLPartitioner
        from executorch.exir import to_edge_transform_and_lower

        specs = CoreMLBackend.generate_compile_specs(
            compute_precision=ct.precision.FLOAT16 if precision == "fp16" else ct.precision.FLOAT32,
            minimum_deployment_target=ct.target.iOS17,
        )
        executable = to_edge_transform_and_lower(
            torch.export.export(module, example.tensors),
            partitioner=[CoreMLPartitioner(compile_specs=specs, lower_full_graph=True)],
            constant_methods={f"pe_{key}": value for key, value in metadata.items()},
        ).to_executorch()
    with path.open("wb") as file:
        executable.write_to_file(file)
