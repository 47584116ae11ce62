"""What can be read of an artifact without running it."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod


@dataclass(frozen=True, slots=True)
class Delegation:
    """What an ExecuTorch program hands to its delegate, and what is left to portable kernels.

    ``products``: multiply-accumulates inside the delegate, by operator and operand types, such as
    ``linear qdint8 × qcint8``. ``backend``: whose delegate it is. ``constants``: the beginnings of the sha256 of all
    that XNNPACK's delegates store. ``altered``: the names of those that are not what was written.
    """

    delegate_calls: int
    left_over: tuple[str, ...]
    products: dict[str, int] = field(default_factory=dict, hash=False)
    backend: str = "XnnpackBackend"
    constants: tuple[str, ...] = ()
    altered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weight:
    """One constant tensor as the network sees it, with what it takes on disk."""

    name: str
    shape: tuple[int, ...]
    storage: str
    """``float16``, ``int8, a scale for each channel``, ``6-bit palette`` …"""
    bytes: int
    layer: str = ""
    """The operator whose ``weight`` it is, of those that have one."""

    @property
    def bits(self) -> float:
        """Bits on disk for each value."""
        return 8 * self.bytes / max(prod(self.shape), 1)


@dataclass(frozen=True, slots=True)
class Structure:
    """The parts that an artifact's format lets one read; None or empty where it has no such part."""

    delegation: Delegation | None = None
    weights: tuple[Weight, ...] = ()
    results: dict[str, int] = field(default_factory=dict, hash=False)
    """Computed values by declared type."""
