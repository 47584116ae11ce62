"""Which kernels of a program ran on an arm64 core, and what that cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from pe_validate.data.counts import Positive


@dataclass(frozen=True, slots=True)
class Execution:
    """The first inference of one program on one profile."""

    profile: str
    producer: str
    products: dict[str, Positive] = field(default_factory=dict, hash=False)
    """Multiply-accumulates done by each matrix kernel of KleidiAI, by kernel name."""
    shares: dict[str, float] = field(default_factory=dict, hash=False)
    """Fraction of the runtime's instructions spent in each function; functions below 0.5 % are left out.

    Empty where instructions were not counted.
    """
    instructions: Positive | None = None
    """Instructions of the runtime, including its set-up on the first call; None where they cannot be counted."""

    @property
    def cost(self) -> int:
        """A repeatable cost: instructions, or KleidiAI's multiply-accumulates where those cannot be counted."""
        return self.instructions or sum(self.products.values())

    @property
    def kernels(self) -> list[str]:
        """The kernels that did most of the work, the largest first.

        KleidiAI's kernels if any ran, else the functions that took at least a tenth of the instructions.
        """
        named = sorted(self.products, key=lambda name: -self.products[name])
        return named or [name for name, share in self.shares.items() if share >= 0.1]
