"""Attribute executed instructions to the functions that they belong to."""

from __future__ import annotations

from bisect import bisect
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from pe_validate.machines.arm64.tally import Slot

OUTSIDE_RUNTIME: Final = "outside the runtime"
"""The name for everything else: Python, the rest of torch, and the C library."""

TORCH_PACKING: Final = "KleidiAI's packing, in torch's library"

MATRIX: Final = "kai_run_matmul_"
"""Prefix of KleidiAI's matrix kernels; their assembly parts have names of their own, ``kai_kernel_…``."""

_RETURN: Final = 0xD65F03C0

_PRODUCTS: Final = {
    "smmla": ((0xFFE0FC00, 0x4E80A400),),
    "sdot": ((0xFFE0FC00, 0x4E809400), (0xFFC0F400, 0x4F80E000)),
    "smull": ((0xBF20FC00, 0x0E20C000), (0xBFC0F400, 0x0F40A000)),
    "smlal": ((0xBF20FC00, 0x0E208000), (0xBFC0F400, 0x0F402000)),
    "fmla .8h": ((0xFFE0FC00, 0x4E400C00), (0xFFC0F400, 0x4F001000)),
    "fmla .4s": ((0xFFE0FC00, 0x4E20CC00), (0xFFC0F400, 0x4F801000)),
}
"""Instructions that multiply and add vectors, the most distinctive first: masks and values of their encodings, for
whole vectors and by element, from Arm's Architecture Reference Manual (DDI 0487)."""


class Functions:
    """The functions of ExecuTorch's library, which is mapped at ``base``.

    ``torch_range`` is the address range of torch's library, whose packing functions it calls. KleidiAI's functions
    have names in the table of dynamic symbols. XNNPACK's own have none: they are identified by their start address, as
    far as the unwind tables give it, and by the instruction that they multiply with.
    """

    def __init__(self, library: Path, base: int, torch_range: tuple[int, int] = (0, 0)) -> None:
        self._base, self._torch_range = base, torch_range
        self.matrix_kernels: dict[str, Slot] = {}
        """KleidiAI's matrix kernels by name: the slot of each in the library's table of addresses."""
        with library.open("rb") as file:
            elf = ELFFile(file)
            tables = [part for part in elf.iter_sections() if isinstance(part, SymbolTableSection)]
            symbols = [symbol for table in tables for symbol in table.iter_symbols() if _is_function(symbol)]
            frames = [entry for entry in elf.get_dwarf_info().EH_CFI_entries() if isinstance(entry, FDE)]
            self._find_matrix_kernels(elf)
            text = next(part for part in elf.iter_sections() if part.name == ".text")
            self._text, words = int(text["sh_addr"]), np.frombuffer(text.data(), "<u4")
        self._end = self._text + 4 * len(words)
        ends = {entry["initial_location"]: entry["initial_location"] + entry["address_range"] for entry in frames}
        names = {symbol["st_value"]: str(symbol.name) for symbol in symbols}
        ends |= {symbol["st_value"]: symbol["st_value"] + symbol["st_size"] for symbol in symbols}
        returns = self._text + 4 * (np.flatnonzero(words == _RETURN) + 1)
        self._starts = sorted({self._text, *ends, *ends.values(), *map(int, returns)})
        self._names: list[str] = []
        known = 0
        for start, end in pairwise([*self._starts, self._end]):
            known = max(known, ends.get(start, 0))  # a return before the known end of a function does not end it
            begins = start in ends
            inside = start < known and not begins
            product = _product(words[(start - self._text) // 4 : (max(known, end) - self._text) // 4])
            unnamed = f"XNNPACK or ExecuTorch +{start:#x}{product}" if begins else f"XNNPACK, in assembly{product}"
            self._names.append(self._names[-1] if inside else names.get(start, unnamed))

    def _find_matrix_kernels(self, elf: ELFFile) -> None:
        dynamic = next(part for part in elf.iter_sections() if isinstance(part, SymbolTableSection))
        tables = [part for part in elf.iter_sections() if isinstance(part, RelocationSection)]
        for entry in [entry for table in tables if table.name == ".rela.plt" for entry in table.iter_relocations()]:
            symbol = dynamic.get_symbol(entry["r_info_sym"])
            if symbol.name.startswith(MATRIX) and symbol["st_value"]:
                self.matrix_kernels[symbol.name] = self._base + entry["r_offset"], self._base + symbol["st_value"]

    def counted(self, lines: str) -> Counter[str]:
        """Return the executed instructions by function, from lines of ``address instructions runs``."""
        found: Counter[str] = Counter()
        for line in lines.splitlines():
            address, instructions, runs = line.split()
            found[self.at(int(address, 16))] += int(instructions) * int(runs)
        return found

    def at(self, address: int) -> str:
        """Return the name of the function at ``address`` of the guest's memory."""
        offset = address - self._base
        if self._text <= offset < self._end:
            return self._names[bisect(self._starts, offset) - 1]
        return TORCH_PACKING if self._torch_range[0] <= address < self._torch_range[1] else OUTSIDE_RUNTIME


def _is_function(symbol: object) -> bool:
    return bool(symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_value"] and symbol["st_size"])  # type: ignore[index]


def _product(words: np.ndarray[tuple[int], np.dtype[np.uint32]]) -> str:
    """Return the most distinctive multiplying instruction among ``words``, in parentheses; empty if there is none."""
    for name, encodings in _PRODUCTS.items():
        if any(((words & mask) == value).any() for mask, value in encodings):
            return f" ({name})"
    return ""
