"""iPhones as their CPU looks to XNNPACK: the features by which it picks kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pe_validate.data.machine import KleidiKernel, Machine, XnnpackKernel
from pe_validate.system.errors import UsageError

Emulator = Literal["emulator", "emulator-sme"]
"""Tables of ``packages.toml``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Machine):
    """One kind of phone. ``cpu`` is how QEMU is told; ``features`` is what a guest must then see, no more, no less.

    Sources: the processors of each chip as LLVM's ``AArch64Processors.td`` lists them; 512-bit streaming vectors, which
    that does not say, from measurements of Apple's M4 (arXiv:2409.18779), of the A18's generation.
    """

    cpu: str
    features: frozenset[str]
    emulator: Emulator = "emulator"


_FP32: Final = XnnpackKernel("fmla .4s", ("fmla .4s", "fmla .8h"), 0.6)
_FP16: Final = XnnpackKernel("fmla .8h", ("fmla .8h", "fmla .4s"), 0.6)
"""Such kernels take 77 % of the instructions and more."""


def _static(instruction: str) -> XnnpackKernel:
    """Attention is float32 in a static program, and not among the rivals; the kernel takes a quarter of T16's."""
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
"""Which word, HWCAP, HWCAP2 or the streaming vector's bytes, and which bit; from Linux's ``asm/hwcap.h``."""

ARM64: Final = "arm64"
"""Rows of limits of every profile that has none of its own: Arm's kernels round otherwise than those of x86-64."""

PROFILES: Final = {
    profile.name: profile
    for profile in (
        # Apple's A13 is an ARMv8.4 core; what kernels choose by, this ARMv8.2 core has, too.
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
            # Debian's newer QEMU is static and takes no plugins, so that nothing is counted.
            emulator="emulator-sme",
            # KleidiAI's SME kernels for 4-bit weights take a scale for each channel; these programs have one for each
            # 32 weights.
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
