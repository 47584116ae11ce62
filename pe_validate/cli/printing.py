"""Print the results of commands, and exit with the exit code of their report."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pe_validate.data.inspection import Inspection
    from pe_validate.data.report import Report
    from pe_validate.data.result import Result


def finish(
    command: str,
    weights: str,
    results: Sequence[Result],
    start: float,
    folder: Path,
    as_json: bool,
    photographs: Path | None = None,
) -> None:
    """Write a report of ``results`` to ``folder``, print it, and exit; ``start`` is when the command began.

    ``photographs`` is the folder that the inputs were made of, of which the report holds small pictures.
    """
    from pe_validate.report.pictures import pictures_of
    from pe_validate.report.render import write
    from pe_validate.report.stored import make_report
    from pe_validate.system.legible import legible

    report = make_report(command, weights, results, perf_counter() - start)
    report = replace(report, pictures=legible(pictures_of(results, photographs)))
    write(report, folder)
    print_report(report, as_json=as_json)


def print_report(report: Report, *, as_json: bool, markdown: bool = False) -> None:
    """Print a report and exit with its exit code."""
    from pe_validate.report.render import to_markdown, to_terminal
    from pe_validate.report.stored import to_json

    if as_json:
        print(to_json(report).decode())
    elif markdown:
        print(to_markdown(report))
    else:
        print_table(to_terminal(report))
    raise typer.Exit(report.exit_code)


def print_table(table: RenderableType, *, markup: bool = True) -> None:
    """Print a table; disable ``markup`` if it contains names from untrusted files."""
    from rich.console import Console

    Console(markup=markup, emoji=markup).print(table)


def print_inspections(found: Sequence[Inspection], heading: str, *, as_json: bool) -> None:
    """Print inspections of untrusted files, as tables or as JSON; ``heading`` is the word for such a file."""
    from pe_validate.report.inspected import to_terminal
    from pe_validate.system.legible import legible

    shown = [legible(each) for each in found]
    if as_json:
        print_json([plain(each) for each in shown])
    else:
        print_table(to_terminal(shown, heading), markup=False)


def plain(value: object) -> dict[str, object]:
    """Return a dataclass instance as plain JSON values."""
    from pe_validate.data.schema import schema

    dumped: dict[str, object] = schema(type(value)).dump_python(value, mode="json")
    return dumped


class Unread:
    """Standard output whose reader may leave, as ``head`` does: what comes after is not printed, and no error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``, to nowhere if nobody reads it."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._to_nowhere()
            return len(text)

    def flush(self) -> None:
        """Flush, to nowhere if nobody reads it."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._to_nowhere()

    def _to_nowhere(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def print_json(value: object) -> None:
    """Print a value as indented JSON."""
    print(json.dumps(value, indent=1))
