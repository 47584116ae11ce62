"""Digests of the float16 matrices that a package stores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pe_validate.mil.graph import GraphReader
from pe_validate.mil.ops import Value
from pe_validate.mil.package import Package


def matrices(path: Path) -> frozenset[str]:
    """Return the digests of the float16 constants with two or more axes, in the package's default function.

    Raises:
        RunError: the package is broken, or uses what the evaluator does not support.
    """
    found = _constants(path).values()
    return frozenset(digests(value for value in found if isinstance(value, Tensor) and value.dtype is torch.half))


def constants(path: Path, names: Iterable[str]) -> dict[str, NDArray[np.generic]]:
    """Return the floating-point constants that coremltools has named after ``names``: ``a.b`` is ``a_b_to_fp16``.

    Raises:
        RunError: the package is broken, or uses what the evaluator does not support.
    """
    inside = _constants(path)
    found = {name: inside.get(f"{name.replace('.', '_')}_to_fp16") for name in names}
    return {name: value.numpy() for name, value in found.items() if isinstance(value, Tensor)}


def _constants(path: Path) -> Mapping[str, Value]:
    package = Package(path)
    specification = package.specification()
    name = specification.description.defaultFunctionName or "main"
    return GraphReader(package).read(specification.mlProgram.functions[name]).constants


def digests(tensors: Iterable[Tensor]) -> dict[str, int]:
    """Return the number of values of each matrix among ``tensors``, by the digest of its float16 form."""
    return {
        hashlib.sha256(tensor.detach().half().contiguous().numpy().tobytes()).hexdigest(): tensor.numel()
        for tensor in tensors
        if tensor.dim() > 1 and tensor.numel() > 1
    }
