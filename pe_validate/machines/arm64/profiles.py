"""Profiles of iPhone CPUs: the features by which XNNPACK picks its kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pe_validate.data.machine import KleidiKernel, Machine, XnnpackKernel
from pe_validate.system.errors import UsageError

Emulator = Literal["emulator", "emulator-sme"]
"""Names of the tables with emulators in ``packages.toml``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Machine):
    """One kind of phone; ``cpu`` is QEMU's option, and ``features`` are exactly those that the guest must then see.

    Sources: LLVM's ``AArch64Processors.td`` for the features of each chip; for the 512-bit streaming vectors, which it
    does not mention, measurements of Apple's M4 (arXiv:2409.18779), which is of the A18's generation.
    """

    cpu: str
    features: frozenset[str]
    emulator: Emulator = "emulator"


_FP32: Final = XnnpackKernel("fmla .4s", ("fmla .4s", "fmla .8h"), 0.6)
_FP16: Final = XnnpackKernel("fmla .8h", ("fmla .8h", "fmla .4s"), 0.6)
"""Correct kernels were measured to take at least 77 % of the instructions."""


def _static(instruction: str) -> XnnpackKernel:
    """Return the kernel of a static int8 program.

    Its rivals leave out float32 kernels, because attention stays in float32; in T16 it takes a quarter of the
    instructions.
    """
    return XnnpackKernel(instruction, ("smmla", "sdot", "smull", "smlal"), 0.1)


_INT8: Final = r"f32_qai8dxp\w+_qsi8cxp\w+"
_INT4: Final = r"f32_qai8dxp\w+_qsi4c32p\w+"
_STATIC: Final = r"qai8_qai8\w*_qsi8cxp\w+"

_BITS: Final = {
    "neon": (0, 1),
    "fullfp16": (0, 10),
    "dotprod": (0, 20),
    "sve": (0, 22),
    "i8mm": (1, 13),
    "bf16": (1, 14),
    "sme": (1, 23),
    "sme2": (1, 37),
    "512-bit streaming": (2, 6),
}
"""The word (HWCAP, HWCAP2 or streaming vector length) and the bit of each feature, from Linux's ``asm/hwcap.h``."""

ARM64: Final = "arm64"
"""The rows of limits for profiles without their own: Arm's kernels round differently from those of x86-64."""

PROFILES: Final = {
    profile.name: profile
    for profile in (
        # Apple's A13 is an ARMv8.4 core; this ARMv8.2 core has every feature by which kernels are picked.
        Profile(
            name="iphone-11",
            rows=("iphone-11", ARM64),
            emulated=True,
            counts=True,
            cpu="cortex-a76",
            features=frozenset({"neon", "fullfp16", "dotprod"}),
            kernels={
                "fp32 × fp32": _FP32,
                "fp16 × fp16": _FP16,
                "qdint8 × qcint8": KleidiKernel(rf"{_INT8}_16x4_neon_dotprod"),
                "qint8 × qcint8": _static("sdot"),
                "qdint8 × qbint4": KleidiKernel(rf"{_INT4}_16x4_neon_dotprod"),
            },
        ),
        Profile(
            name="iphone-14",
            rows=("iphone-14", ARM64),
            emulated=True,
            counts=True,
            cpu="max,sve=off,sme=off",
            features=frozenset({"neon", "fullfp16", "dotprod", "i8mm", "bf16"}),
            kernels={
                "fp32 × fp32": _FP32,
                "fp16 × fp16": _FP16,
                "qdint8 × qcint8": KleidiKernel(rf"{_INT8}_16x4_neon_i8mm"),
                "qint8 × qcint8": _static("smmla"),
                "qdint8 × qbint4": KleidiKernel(rf"{_INT4}_16x4x32_neon_i8mm"),
            },
        ),
        Profile(
            name="iphone-16",
            rows=("iphone-16", ARM64),
            emulated=True,
            cpu="max,sve=off,sme512=on",
            features=frozenset({"neon", "fullfp16", "dotprod", "i8mm", "bf16", "sme", "sme2", "512-bit streaming"}),
            # Debian's newer QEMU is static and takes no plugins, so nothing is counted.
            emulator="emulator-sme",
            # KleidiAI's SME kernels for 4-bit weights take one scale per channel; these programs have one per 32
            # weights.
            kernels={
                "fp32 × fp32": KleidiKernel(r"f32_f32(p2vlx1)?_f32p2vlx1b\w*_sme2_(mopa|mla)"),
                "fp16 × fp16": KleidiKernel(r"f16_f16(p2vlx2)?_f16p2vlx2b?_\w+_sme2_(mopa|dot)"),
                "qdint8 × qcint8": KleidiKernel(rf"{_INT8}_sme2_(mopa|dot)"),
                "qint8 × qcint8": KleidiKernel(rf"{_STATIC}_sme2_(mopa|dot)"),
                "qdint8 × qbint4": KleidiKernel(rf"{_INT4}_16x4x32_neon_i8mm"),
            },
        ),
    )
}
DEFAULT_PROFILE: Final = "iphone-14"

HOST: Final = Profile(name="this CPU", rows=(ARM64,), cpu="", features=frozenset())
"""The profile of an arm64 machine, which runs programs itself, whatever its features."""


def profile_named(name: str) -> Profile:
    """Return the profile of this name.

    Raises:
        UsageError: there is no such profile.
    """
    if name not in PROFILES:
        raise UsageError(f"There is no CPU profile '{name}'; there are {', '.join(PROFILES)}.")
    return PROFILES[name]


def features_in(words: Sequence[int]) -> frozenset[str]:
    """Return the relevant features in the words that :func:`~pe_validate.machines.arm64.guest.hwcaps` returns."""
    return frozenset(name for name, (word, bit) in _BITS.items() if words[word] >> bit & 1)
