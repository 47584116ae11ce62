"""The order in which the inputs and outputs of an ExecuTorch program lie in memory, read from the file.

The runtime takes and gives buffers as they lie, and its bindings do not tell the declared order. Three tables of the
FlatBuffer are followed (fields are numbered as in ``exir/_serialize/program.fbs``), because ExecuTorch's own reader
takes seconds to import.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from pe_validate.system.errors import RunError

Orders = tuple[tuple[int, ...], ...]
"""For each tensor its axes, from the slowest to the fastest; empty if it lies in the order of its axes."""

_PLANS: Final = 1
_NAME, _VALUES, _INPUTS, _OUTPUTS = 0, 2, 3, 4
_KIND, _VALUE, _TENSOR = 0, 1, 5
_DIM_ORDER: Final = 3

MOST_AXES: Final = 16
"""ExecuTorch's ``kTensorDimensionLimit``."""


def memory_orders(path: Path) -> tuple[Orders, Orders]:
    """Return the orders of the inputs and of the outputs of ``forward``.

    Raises:
        RunError: the file is damaged.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            plans = _Table.root(data).tables(_PLANS)
            plan = next(plan for plan in plans if plan.bytes(_NAME) == b"forward")
            values = plan.tables(_VALUES)
            inputs, outputs = (
                tuple(order for number in plan.numbers(field) if (order := _order(values[number])) is not None)
                for field in (_INPUTS, _OUTPUTS)
            )
            return inputs, outputs
    except (struct.error, ValueError, IndexError, StopIteration) as error:
        raise RunError(f"'{path}' is damaged: it does not say how its inputs lie; export it again.") from error


def _order(value: _Table) -> tuple[int, ...] | None:
    """Return the order of a value, or None if it is no tensor."""
    if value.byte(_KIND) != _TENSOR:
        return None
    order = tuple(value.table(_VALUE).bytes(_DIM_ORDER))
    if sorted(order) != list(range(len(order))) or len(order) > MOST_AXES:
        raise ValueError("this is no order of axes")
    return () if order == tuple(range(len(order))) else order


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a FlatBuffer at ``place``, whose fields have numbers."""

    data: mmap.mmap
    place: int

    @classmethod
    def root(cls, data: mmap.mmap) -> Self:
        return cls(data, _at(data, "<I", 0))

    def _field(self, number: int) -> int:
        """Return the place of a field, or 0 if it has its default value."""
        entries = self.place - _at(self.data, "<i", self.place)
        offset = 4 + 2 * number
        found = _at(self.data, "<H", entries + offset) if offset < _at(self.data, "<H", entries) else 0
        return found and self.place + found

    def _vector(self, number: int, width: int) -> tuple[int, int]:
        """Return the place of the first element, and the number of elements."""
        if not (field := self._field(number)):
            return 0, 0
        start = field + _at(self.data, "<I", field)
        count = _at(self.data, "<I", start)
        if start + 4 + count * width > len(self.data):
            raise ValueError("a vector is longer than the file")
        return start + 4, count

    def byte(self, number: int) -> int:
        field = self._field(number)
        return _at(self.data, "<B", field) if field else 0

    def table(self, number: int) -> _Table:
        if not (field := self._field(number)):
            raise ValueError("a table is missing")
        return _Table(self.data, field + _at(self.data, "<I", field))

    def bytes(self, number: int) -> bytes:
        start, count = self._vector(number, 1)
        return self.data[start : start + count]

    def numbers(self, number: int) -> Sequence[int]:
        start, count = self._vector(number, 4)
        return struct.unpack_from(f"<{count}i", self.data, start)

    def tables(self, number: int) -> list[_Table]:
        start, count = self._vector(number, 4)
        return [_Table(self.data, start + 4 * n + _at(self.data, "<I", start + 4 * n)) for n in range(count)]


def _at(data: mmap.mmap, kind: str, place: int) -> int:
    if place < 0:
        raise ValueError("a place is outside of the file")
    found: int = struct.unpack_from(kind, data, place)[0]
    return found
