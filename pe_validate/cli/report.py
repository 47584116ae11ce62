"""How a command ends: its report is written and printed, and its exit code is the report's."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from pe_validate.data.report import Report
    from pe_validate.data.result import Result


def finish(command: str, weights: str, results: tuple[Result, ...], start: float, folder: Path, as_json: bool) -> None:
    """Report what was found since ``start``, to ``folder`` and on stdout, and exit."""
    from pe_validate.data.report import Report
    from pe_validate.report.render import write

    report = Report(command, weights, results, perf_counter() - start)
    write(report, folder)
    print_report(report, as_json=as_json)


def print_report(report: Report, *, as_json: bool, markdown: bool = False) -> None:
    """Print a report and exit as it says."""
    from pe_validate.report.model import to_json
    from pe_validate.report.render import to_markdown, to_terminal

    if as_json:
        print(to_json(report).decode())
    elif markdown:
        print(to_markdown(report))
    else:
        Console().print(to_terminal(report))
    raise typer.Exit(report.exit_code)
