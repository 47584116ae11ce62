"""Where an artifact runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True, slots=True)
class KleidiKernel:
    """A kernel of KleidiAI: what follows ``kai_run_matmul_clamp_`` in its name, as a regular expression."""

    pattern: str


@dataclass(frozen=True, slots=True)
class XnnpackKernel:
    """A kernel of XNNPACK, told by the ``instruction`` that it multiplies with.

    ``rivals`` are all instructions by which the same could be multiplied, the most telling first. ``least`` is the share
    of all instructions that the kernel takes at least.
    """

    instruction: str
    rivals: tuple[str, ...]
    least: float


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of machine.

    ``rows`` name the rows of ``limits/machines.toml`` that its own arithmetic calls for, the first that there is.
    ``emulated`` says that it is not really there. ``counts``: its instructions can be counted. ``kernels``: which
    kernel it has for operands of which types.
    """

    name: str
    rows: tuple[str, ...] = ()
    emulated: bool = False
    counts: bool = False
    kernels: Mapping[str, KleidiKernel | XnnpackKernel] = field(default_factory=dict, hash=False, repr=False)


HERE: Final = Machine("this machine")
