"""The machines on which artifacts run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class KleidiKernel:
    """A kernel of KleidiAI; ``pattern`` is a regular expression for its name after ``kai_run_matmul_clamp_``."""

    pattern: str


@dataclass(frozen=True, slots=True)
class XnnpackKernel:
    """A kernel of XNNPACK, identified by the ``instruction`` that it multiplies with.

    ``rivals`` are all instructions that could do the same multiplication, the most distinctive first. ``least`` is
    the smallest fraction of all instructions that the kernel must take.
    """

    instruction: str
    rivals: tuple[str, ...]
    least: float


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of machine.

    ``rows`` names rows of ``limits/machines.toml`` that its arithmetic needs; the first one that exists applies.
    ``emulated``: it is emulated on this machine. ``counts``: its instructions can be counted. ``kernels``: the kernel
    that it has for each pair of operand types.
    """

    name: str
    rows: tuple[str, ...] = ()
    emulated: bool = False
    counts: bool = False
    kernels: Mapping[str, KleidiKernel | XnnpackKernel] = field(default_factory=dict, hash=False, repr=False)


HERE: Final = Machine("this machine")
