"""Executed blocks of instructions → the functions that they belong to."""

from __future__ import annotations

import re
from bisect import bisect
from collections import Counter
from pathlib import Path
from typing import Final

from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

OUTSIDE: Final = "outside the runtime"
"""Python, torch and the C library."""

KLEIDIAI: Final = re.compile(r"kai_run_(?P<work>\w+)")
"""KleidiAI's micro-kernels are functions of this name."""


class Functions:
    """The functions of ExecuTorch's library, which is mapped at ``base``.

    KleidiAI's are in the table of dynamic symbols. XNNPACK's own are not: where the library says where they begin
    they are named by that offset, and its assembly is one entry.
    """

    def __init__(self, library: Path, base: int) -> None:
        self._base = base
        with library.open("rb") as file:
            elf = ELFFile(file)
            tables = [part for part in elf.iter_sections() if isinstance(part, SymbolTableSection)]
            symbols = [symbol for table in tables for symbol in table.iter_symbols()]
            names = {entry["st_value"]: str(entry.name) for entry in symbols if entry["st_info"]["type"] == "STT_FUNC"}
            frames = [entry for entry in elf.get_dwarf_info().EH_CFI_entries() if isinstance(entry, FDE)]
            spans = sorted((frame["initial_location"], frame["address_range"]) for frame in frames)
            self._size = max(part["p_vaddr"] + part["p_memsz"] for part in elf.iter_segments("PT_LOAD"))
        self._starts = [start for start, _ in spans]
        self._ends = [start + size for start, size in spans]
        self._names = [names.get(start, f"XNNPACK or ExecuTorch +{start:#x}") for start in self._starts]

    def attribute(self, counts: str) -> Counter[str]:
        """Instructions by function, from lines of ``address instructions runs``."""
        found: Counter[str] = Counter()
        for line in counts.splitlines():
            address, instructions, runs = line.split()
            found[self.function_at(int(address, 16))] += int(instructions) * int(runs)
        return found

    def function_at(self, address: int) -> str:
        """The name of what is at ``address`` of the guest's memory."""
        offset = address - self._base
        if not 0 <= offset < self._size:
            return OUTSIDE
        index = bisect(self._starts, offset) - 1
        if index >= 0 and offset < self._ends[index]:
            return self._names[index]
        return "XNNPACK, in assembly"
