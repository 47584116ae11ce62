"""Write reports that are tables of their own, of one row a case: ``NAME.json`` and ``NAME.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pe_validate.data.schema import schema
from pe_validate.report.render import try_to_write, writable
from pe_validate.system.files import replace_file


class Rows(Protocol):
    """A report of rows, a dataclass."""

    @property
    def headlines(self) -> list[str]:
        """The first lines of the report."""

    @property
    def rows(self) -> Sequence[Any]:
        """The rows, dataclasses."""


def rows_to_json(report: Rows, *derived: str) -> bytes:
    """Return indented JSON, headlines first; each row has the attributes ``derived`` besides its fields."""
    content = json.loads(schema(type(report)).dump_json(report))
    for row, found in zip(content["rows"], report.rows, strict=True):
        row |= {name: getattr(found, name) for name in derived}
    return json.dumps({"headlines": report.headlines} | content, indent=1).encode()


def make_room(folder: Path) -> None:
    """Check before the long work that ``folder`` can be written.

    Raises:
        ReportError: it cannot.
    """
    with writable(folder):
        try_to_write(folder)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files by name into ``folder``, each atomically.

    Raises:
        ReportError: the folder cannot be written.
    """
    with writable(folder):
        for name, content in files.items():
            replace_file(folder / name, content)
