"""What a package stores: digests of its matrices, and which of its constants are in float16 and which in float32."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isclose
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pe_validate.mil.graph import GraphReader
from pe_validate.mil.ops import Value
from pe_validate.mil.package import Package


def matrices(path: Path) -> frozenset[str]:
    """Return the digests of the float constants with two or more axes, in the package's default function.

    Raises:
        RunError: the package is broken, or uses what the evaluator does not support.
    """
    return frozenset(digests(_floats(path)))


def constants(path: Path, names: Iterable[str]) -> dict[str, NDArray[np.generic]]:
    """Return the floating-point constants that coremltools has named after ``names``: ``a.b`` is ``a_b_to_fp16``.

    Raises:
        RunError: the package is broken, or uses what the evaluator does not support.
    """
    inside = _constants(path)
    found = {name: inside.get(f"{name.replace('.', '_')}_to_fp16") for name in names}
    return {name: value.numpy() for name, value in found.items() if isinstance(value, Tensor)}


Span = tuple[float, float]
"""The least and the largest value of a constant, which tell it from others whatever its layout."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The constants that a package keeps in float32, where float16 would change them."""

    spans: frozenset[Span]

    def holds(self, value: Tensor) -> bool:
        """Return whether a float32 constant is stored as it is."""
        return any(_alike(_span(value), span) for span in self.spans)


def stored(path: Path) -> tuple[Kept, tuple[Tensor, ...]]:
    """Return the constants of a package's default function: those kept in float32, and those stored in float16.

    Raises:
        RunError: the package is broken, or uses what the evaluator does not support.
    """
    constants = tuple(_floats(path))
    wide = (v for v in constants if v.dtype is not torch.half and not torch.equal(v.half().float(), v))
    return Kept(frozenset(map(_span, wide))), tuple(v for v in constants if v.dtype is torch.half)


def _floats(path: Path) -> Iterator[Tensor]:
    constants = _constants(path).values()
    return (v for v in constants if isinstance(v, Tensor) and v.is_floating_point() and v.numel())


def _constants(path: Path) -> Mapping[str, Value]:
    package = Package(path)
    specification = package.program()
    name = specification.description.defaultFunctionName or "main"
    return GraphReader(package).read(specification.mlProgram.functions[name]).constants


def _span(value: Tensor) -> Span:
    least, largest = value.float().aminmax()
    return float(least), float(largest)


def _alike(one: Span, other: Span) -> bool:
    """Return whether two spans differ by no more than float32 arithmetic does."""
    return all(isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(one, other, strict=True))


def digests(tensors: Iterable[Tensor]) -> dict[str, int]:
    """Return the number of values of each matrix among ``tensors``, by the digest of its float16 form."""
    return {
        hashlib.sha256(tensor.detach().half().contiguous().numpy().tobytes()).hexdigest(): tensor.numel()
        for tensor in tensors
        if tensor.dim() > 1 and tensor.numel() > 1
    }
