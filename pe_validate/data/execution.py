"""What ran of a program on an arm64 core, and what that cost: plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from pe_validate.data.counts import Positive


@dataclass(frozen=True, slots=True)
class Execution:
    """The first inference of one program on one profile."""

    profile: str
    producer: str
    products: dict[str, Positive] = field(default_factory=dict, hash=False)
    """Multiply-accumulates that each matrix kernel of KleidiAI did, by its name."""
    shares: dict[str, float] = field(default_factory=dict, hash=False)
    """Of all instructions of the runtime, each function's; those of a half percent and more, where they were counted.
    """
    instructions: Positive | None = None
    """Of the runtime, with what it sets up when it is first called; none where they cannot be counted."""

    @property
    def cost(self) -> int:
        """What does not wobble: its instructions; where they cannot be counted, the products of KleidiAI's kernels."""
        return self.instructions or sum(self.products.values())

    @property
    def kernels(self) -> list[str]:
        """What computed most, most first: KleidiAI's kernels, without any the functions that took a tenth."""
        named = sorted(self.products, key=lambda name: -self.products[name])
        return named or [name for name, share in self.shares.items() if share >= 0.1]
