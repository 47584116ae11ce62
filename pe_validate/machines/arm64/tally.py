"""Count the work of each matrix kernel of KleidiAI, inside the process that calls it.

XNNPACK calls KleidiAI through its library's table of addresses. Each kernel's entry is redirected to a few instructions
that add rows × columns × depth, the kernel's first three arguments, to a counter, and then jump to the kernel. This
works in any emulator.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Sequence
from typing import Final

Slot = tuple[int, int]
"""The addresses of an entry in the table and of the function that it points to."""

_DETOUR: Final = (
    0x9B017C09,  # mul x9, x0, x1
    0x9B027D29,  # mul x9, x9, x2
    0x580000CA,  # ldr x10, .+24        the counter
    0xF940014B,  # ldr x11, [x10]
    0x8B09016B,  # add x11, x11, x9
    0xF900014B,  # str x11, [x10]
    0x58000090,  # ldr x16, .+16        the kernel
    0xD61F0200,  # br x16
)
"""The redirection, which the addresses of the counter and of the kernel follow. A call may change these registers
(Procedure Call Standard for the Arm 64-bit Architecture, AAPCS64)."""


class Tally:
    """Counts multiply-accumulates by kernel; it must live as long as the process calls the kernels."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._counters = (ctypes.c_uint64 * len(slots))()
        detour = b"".join(word.to_bytes(4, "little") for word in _DETOUR)
        length = len(detour) + 16
        self._code = mmap.mmap(-1, max(1, len(slots)) * length, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        counters = ctypes.addressof(self._counters)
        for i, (slot, function) in enumerate(slots):
            self._code.write(detour + b"".join(a.to_bytes(8, "little") for a in (counters + 8 * i, function)))
            ctypes.c_uint64.from_address(slot).value = start + length * i

    def taken(self) -> list[int]:
        """Return the counts since the last call, in the order of the slots, and reset them."""
        found = list(self._counters)
        ctypes.memset(self._counters, 0, ctypes.sizeof(self._counters))
        return found
