"""Digests of the float16 matrices that a package stores."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from pe_validate.mil.graph import GraphReader
from pe_validate.mil.package import Package


def matrices(path: Path) -> frozenset[str]:
    """Return the digests of the float16 constants with two or more axes, in the package's default function.

    Raises:
        RunError: the package is broken, or uses what the evaluator does not support.
    """
    package = Package(path)
    specification = package.specification()
    name = specification.description.defaultFunctionName or "main"
    constants = GraphReader(package).read(specification.mlProgram.functions[name]).constants.values()
    return frozenset(digests(value for value in constants if isinstance(value, Tensor) and value.dtype is torch.half))


def digests(tensors: Iterable[Tensor]) -> dict[str, int]:
    """Return the number of values of each matrix among ``tensors``, by the digest of its float16 form."""
    return {
        hashlib.sha256(tensor.detach().half().contiguous().numpy().tobytes()).hexdigest(): tensor.numel()
        for tensor in tensors
        if tensor.dim() > 1 and tensor.numel() > 1
    }
