"""Packages to evaluate. coremltools is imported once, and only by the tests that need it to write one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from mil_networks import Quiet
from torch import nn


@contextmanager
def _quiet() -> Iterator[None]:
    # coremltools 9.0 and the torch.jit.trace that it needs warn on import and conversion about their own
    # deprecations; nothing of the evaluator runs inside of this block.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def quiet() -> Quiet:
    """A context in which coremltools may warn."""
    return _quiet


@pytest.fixture(scope="session")
def ct() -> Any:
    """The coremltools module."""
    with _quiet():
        import coremltools
    return coremltools


@pytest.fixture(scope="session")
def mb(ct: Any) -> Any:
    """The MIL builder."""
    from coremltools.converters.mil import Builder

    return Builder


@pytest.fixture(scope="session")
def oracle(ct: Any) -> ModuleType:
    """The module that holds operators to MIL's own value inference."""
    with _quiet():
        import mil_oracle
    return mil_oracle


@pytest.fixture(scope="session")
def save_program(ct: Any) -> Callable[..., Path]:
    """Save what a builder function computes, operation for operation, as a float32 package."""
    from coremltools.converters.mil import Builder

    def save(build: Callable[..., Any], shapes: dict[str, tuple[int, ...]], path: Path) -> Path:
        with _quiet():
            specs = [Builder.TensorSpec(shape=shape) for shape in shapes.values()]
            program = Builder.program(input_specs=specs, opset_version=ct.target.iOS18)(build)
            model = ct.convert(
                program,
                convert_to="mlprogram",
                minimum_deployment_target=ct.target.iOS18,
                compute_precision=ct.precision.FLOAT32,
                pass_pipeline=ct.PassPipeline.EMPTY,
            )
            model.save(str(path))
        return path

    return save


@pytest.fixture(scope="session")
def save_module(ct: Any) -> Callable[..., Path]:
    """Convert a torch module as the exporter does, with float32 input and output."""

    def save(module: nn.Module, x: torch.Tensor, precision: str, path: Path, target: str = "iOS17") -> Path:
        with _quiet(), torch.no_grad():
            model = ct.convert(
                torch.jit.trace(module, x),
                inputs=[ct.TensorType(name="image", shape=x.shape, dtype=np.float32)],
                outputs=[ct.TensorType(name="features", dtype=np.float32)],
                convert_to="mlprogram",
                minimum_deployment_target=getattr(ct.target, target),
                compute_precision=getattr(ct.precision, precision),
            )
            model.save(str(path))
        return path

    return save


@pytest.fixture(scope="session")
def good(save_program: Callable[..., Path], mb: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linear layer and an activation, with its weights in weight.bin."""
    rng = np.random.default_rng(7)
    weight, bias = rng.standard_normal((16, 8)).astype(np.float32), np.zeros(16, np.float32)

    def build(x: Any) -> Any:
        return mb.relu(x=mb.linear(x=x, weight=weight, bias=bias, name="hidden"), name="y")

    return save_program(build, {"x": (2, 8)}, tmp_path_factory.mktemp("good") / "small.mlpackage")


@pytest.fixture(scope="session")
def rich(save_program: Callable[..., Path], mb: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A compressed weight, operators whose arguments say how large their results are, a branch and a loop."""
    rng = np.random.default_rng(7)
    data, scale = rng.integers(-8, 8, (16, 8)).astype(np.int8), rng.uniform(0.1, 1, (16, 1)).astype(np.float32)

    def build(x: Any) -> Any:
        weight = mb.constexpr_blockwise_shift_scale(data=data, scale=scale, name="weight")
        y = mb.gelu(x=mb.linear(x=x, weight=weight, name="hidden"), mode="TANH_APPROXIMATION")
        y = mb.pad(x=mb.reshape(x=mb.tile(x=y, reps=[1, 2]), shape=[1, 2, 2, 16]), pad=[1, 1], constant_val=0.0)
        y = mb.resize_bilinear(x=y, target_size_height=4, target_size_width=18)
        y = mb.add(x=y, y=mb.fill(shape=[1, 2, 4, 18], value=1.0))
        bright = mb.greater(x=mb.reduce_sum(x=x, axes=[0, 1]), y=0.0)
        y = mb.cond(pred=bright, _true_fn=lambda: mb.relu(x=y), _false_fn=lambda: mb.mul(x=y, y=2.0))
        _, y = mb.while_loop(
            _cond=lambda i, v: mb.less(x=i, y=np.int32(3)),
            _body=lambda i, v: (mb.add(x=i, y=np.int32(1)), mb.mul(x=v, y=0.5)),
            loop_vars=(np.int32(0), y),
        )
        return mb.relu(x=y, name="y")

    return save_program(build, {"x": (2, 8)}, tmp_path_factory.mktemp("rich") / "rich.mlpackage")
