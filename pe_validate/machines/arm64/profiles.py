"""iPhones as their CPU looks to XNNPACK: the features by which it picks kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pe_validate.system.errors import UsageError

Emulator = Literal["emulator", "emulator-sme"]
"""Tables of ``packages.toml``."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of phone. ``cpu`` is how QEMU is told; ``features`` is what a guest must then see, no more, no less.

    Sources: the processors of each chip as LLVM's ``AArch64Processors.td`` lists them; 512-bit streaming vectors, which
    that does not say, from measurements of Apple's M4 (arXiv:2409.18779), of the A18's generation.
    """

    name: str
    cpu: str
    features: frozenset[str]
    emulator: Emulator = "emulator"

    @property
    def counts(self) -> bool:
        """Whether executed instructions can be counted: Debian's newer QEMU is static and takes no plugins."""
        return self.emulator == "emulator"


_BITS: Final = {
    "neon": (0, 1),
    "fp16": (0, 10),
    "dotprod": (0, 20),
    "sve": (0, 22),
    "i8mm": (1, 13),
    "bf16": (1, 14),
    "sme": (1, 23),
    "sme2": (1, 37),
    "512-bit streaming": (2, 6),
}
"""Which word, HWCAP, HWCAP2 or the streaming vector's bytes, and which bit; from Linux's ``asm/hwcap.h``."""

PROFILES: Final = {
    profile.name: profile
    for profile in (
        # Apple's A13 is an ARMv8.4 core; what kernels choose by, this ARMv8.2 core has, too.
        Profile("iphone-11", "cortex-a76", frozenset({"neon", "fp16", "dotprod"})),
        Profile("iphone-14", "max,sve=off,sme=off", frozenset({"neon", "fp16", "dotprod", "i8mm", "bf16"})),
        Profile(
            "iphone-16",
            "max,sve=off,sme512=on",
            frozenset({"neon", "fp16", "dotprod", "i8mm", "bf16", "sme", "sme2", "512-bit streaming"}),
            "emulator-sme",
        ),
    )
}
DEFAULT_PROFILE: Final = "iphone-14"

HOST: Final = Profile("this CPU", "", frozenset())
"""Of a machine that is arm64: whatever it is, it runs programs as they are."""


def profile_named(name: str) -> Profile:
    """One of :data:`PROFILES`.

    Raises:
        UsageError: there is none of this name.
    """
    if name not in PROFILES:
        raise UsageError(f"There is no CPU profile '{name}'; there are {', '.join(PROFILES)}.")
    return PROFILES[name]


def features_in(words: Sequence[int]) -> frozenset[str]:
    """What :func:`~pe_validate.machines.arm64.guest.hwcaps` says, of the features that matter here."""
    return frozenset(name for name, (word, bit) in _BITS.items() if words[word] >> bit & 1)
