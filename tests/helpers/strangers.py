"""Small files as other people make them: sound, but laid out, computed or stored otherwise than this project's own.

Those of ``tiny_module`` take ``image`` float32 [1, 3, 32, 32] and give ``features`` float32 [1, 8].
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from tiny_artifacts import CONFIG, tiny_module
from torch import Tensor, nn

ABSENT_BACKEND: Final = "EthosUBackend"
ABSENT_OPERATOR: Final = "custom::gelu.out"


class Bounded(nn.Module):
    """Activations bounded on one side alone: ReLU, and clamps from below and from above."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = tiny_module()

    def forward(self, image: Tensor) -> Tensor:
        features = self.inner(torch.relu(image + 1) - 1)
        return torch.clamp(torch.clamp(features, min=-50.0), max=60.0)


def convolution() -> nn.Module:
    """Gives an output that lies as its input does."""
    torch.manual_seed(0)
    return nn.Conv2d(3, 4, 3, padding=1).eval()


def write_all(folder: Path) -> None:
    """Write every file into ``folder``; to be called in a child."""
    from executorch.exir import ExecutorchBackendConfig

    image = torch.zeros(CONFIG.input_shape)
    last = image.to(memory_format=torch.channels_last)
    write(folder / "plain.pte", tiny_module(), image)
    write(folder / "portable.pte", tiny_module(), image, delegated=False)
    write(folder / "bounded.pte", Bounded().eval(), image)
    write(folder / "channels_last.pte", tiny_module(), last)
    write(folder / "both_channels_last.pte", convolution(), last)
    write_quantised(folder / "int8_input.pte")
    apart = folder / "apart"
    apart.mkdir()
    config = ExecutorchBackendConfig(external_constants=True)
    made = write(apart / "model.pte", tiny_module(), image, delegated=False, config=config)
    made.write_tensor_data_to_file(str(apart))
    _alter(folder / "plain.pte", folder / "absent_backend.pte", _to_another_backend)
    _alter(folder / "plain.pte", folder / "encode.pte", _to_another_method)
    _alter(folder / "portable.pte", folder / "absent_kernel.pte", _to_another_operator)


def write(path: Path, module: nn.Module, image: Tensor, *, delegated: bool = True, config: Any = None) -> Any:
    """Export a module by ExecuTorch's usual way."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    partitioner = [XnnpackPartitioner()] if delegated else []
    exported = torch.export.export(module, (image,))
    program = to_edge_transform_and_lower(exported, partitioner=partitioner).to_executorch(config)
    path.write_bytes(program.buffer)
    return program


def write_quantised(path: Path) -> None:
    """Quantise a module for pixels in [-1, 1] as ExecuTorch's documentation says, with an input of int8."""
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from executorch.exir import to_edge
    from executorch.exir.passes.quantize_io_pass import QuantizeInputs
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    image = torch.linspace(-1, 1, 3 * 32 * 32).reshape(CONFIG.input_shape)
    quantiser = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(torch.export.export(tiny_module(), (image,)).module(), quantiser)
    for seed in range(16):
        prepared(torch.rand(image.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1)
    prepared(image)
    edge = to_edge(torch.export.export(convert_pt2e(prepared), (image,)))
    edge = edge.transform([QuantizeInputs(edge, [0])]).to_backend(XnnpackPartitioner())
    path.write_bytes(edge.to_executorch().buffer)


def _alter(source: Path, path: Path, change: Callable[[Any], None]) -> None:
    """Copy a program with its ``forward`` changed."""
    from pe_validate.targets.xnnpack.reader import deserialize_pte_binary, serialize_pte_binary

    file = deserialize_pte_binary(source.read_bytes())
    change(file.program.execution_plan[0])
    path.write_bytes(bytes(serialize_pte_binary(file)))


def _to_another_backend(plan: Any) -> None:
    for delegate in plan.delegates:
        delegate.id = ABSENT_BACKEND


def _to_another_method(plan: Any) -> None:
    plan.name = "encode"


def _to_another_operator(plan: Any) -> None:
    plan.operators[0].name, plan.operators[0].overload = ABSENT_OPERATOR.split(".")


def write_half(source: Path, path: Path) -> None:
    """Convert an ONNX file to float16 by ONNX Runtime's own tool, but for its inputs and outputs."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), path)
