"""Packages to evaluate. coremltools is imported once, and only by the tests that need it to write one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn


@contextmanager
def _quiet() -> Iterator[None]:
    # coremltools 9.0 and the torch.jit.trace that it needs warn on import and conversion about their own
    # deprecations; nothing of the evaluator runs inside of this block.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="session")
def quiet() -> Callable[[], Any]:
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
def oracle(ct: Any) -> Any:
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
        import numpy as np

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
