"""``pe-validate coreml``: commands for Core ML packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.cli.options import Compare, FunctionOfFile, Json
from pe_validate.cli.printing import print_inspections

app = typer.Typer(help="Inspect Core ML packages.", no_args_is_help=True, rich_markup_mode=None)


@app.command()
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="An .mlpackage with an ML Program, or a .pte that contains one.")
    ],
    compare: Compare = None,
    function: FunctionOfFile = None,
    as_json: Json = False,
) -> None:
    """Show a package's operators, interface, weights, compression and arithmetic, without running it."""
    from dataclasses import replace

    from pe_validate.mil.deviations import found_in
    from pe_validate.mil.inspection import inspect
    from pe_validate.targets.pte_coreml.embedded import embedded

    found = []
    for path in (file, compare):
        if path and path.suffix == ".pte":
            with embedded(path) as package:
                found.append(replace(inspect(package, function), path=path, notes=found_in(package, function)))
        elif path:
            found.append(replace(inspect(path, function), notes=found_in(path, function)))
    print_inspections(found, "package", as_json=as_json)
