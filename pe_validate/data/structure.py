"""The structure of an artifact: everything that can be read without running it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod

from pe_validate.data.tensors import Quantised


@dataclass(frozen=True, slots=True)
class Delegation:
    """The parts of an ExecuTorch program that its delegate runs, and those left to portable kernels.

    ``products``: multiply-accumulates inside the delegate, by operator and operand types, such as
    ``linear qdint8 × qcint8``. ``backend``: the name of the delegate's backend. ``constants``: the first digits of the
    sha256 of every constant in XNNPACK's delegates. ``altered``: the names of constants whose bytes have changed since
    they were written.
    """

    delegate_calls: int
    left_over: tuple[str, ...]
    products: dict[str, int] = field(default_factory=dict, hash=False)
    backend: str = "XnnpackBackend"
    constants: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """One constant tensor as the network sees it, and the bytes that it takes on disk."""

    name: str
    shape: tuple[int, ...]
    storage: str
    """``float16``, ``int8, a scale for each channel``, ``6-bit palette`` …"""
    bytes: int
    layer: str = ""
    """The type of the operator that uses it as its ``weight``; empty if none does."""

    @property
    def bits(self) -> float:
        """Bits on disk for each value."""
        return 8 * self.bytes / max(prod(self.shape), 1)


@dataclass(frozen=True, slots=True)
class Structure:
    """The parts of an artifact that its format exposes; None or empty where the format has no such part."""

    delegation: Delegation | None = None
    weights: tuple[Weight, ...] = ()
    takes_pixels: bool = False
    """True if an app hands over pixels of 8 bits in place of an array."""
    quantised: Quantised | None = None
    """How an app makes the integers of the only input, if the file takes such."""
    results: dict[str, int] = field(default_factory=dict, hash=False)
    """Number of computed values, by declared type; conversions to another type do not count."""

    @property
    def values_by_storage(self) -> dict[str, int]:
        """The number of constant values, by the storage of their tensors."""
        found: dict[str, int] = {}
        for weight in self.weights:
            found[weight.storage] = found.get(weight.storage, 0) + prod(weight.shape)
        return found
