"""``pe-validate coreml``: commands for Core ML packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.cli.printing import print_table
from pe_validate.system.legible import legible

app = typer.Typer(help="Inspect Core ML packages.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An .mlpackage with an ML Program, or a .pte that contains one.")
    ],
    compare: Annotated[Path | None, typer.Option(metavar="OTHER", help="A second file to show beside it.")] = None,
    function: Annotated[
        str | None, typer.Option(help="Function to inspect, of several. [default: the package's own]")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Show a package's operators, interface, weights, compression and arithmetic, without running it."""
    from dataclasses import replace

    from pydantic import TypeAdapter

    from pe_validate.mil.deviations import found_in
    from pe_validate.mil.inspection import Inspection, inspect
    from pe_validate.report.inspected import to_terminal
    from pe_validate.targets.pte_coreml.embedded import embedded

    found = []
    for path in (file, compare):
        if path and path.suffix == ".pte":
            with embedded(path) as package:
                found.append(replace(inspect(package, function), path=path, notes=found_in(package, function)))
        elif path:
            found.append(replace(inspect(path, function), notes=found_in(path, function)))
    found = legible(found)
    if as_json:
        print(TypeAdapter(list[Inspection]).dump_json(found, indent=1).decode())
    else:
        print_table(to_terminal(found), markup=False)
