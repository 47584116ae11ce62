"""``pe-validate coreai``: commands for Core AI assets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.cli.options import Compare, FunctionOfFile, Json
from pe_validate.cli.printing import print_inspections

app = typer.Typer(help="Inspect Core AI assets.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Keep 'inspect' a subcommand although it is the only one."""


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An .aimodel.")],
    compare: Compare = None,
    function: FunctionOfFile = None,
    as_json: Json = False,
) -> None:
    """Show an asset's metadata, interface, operators and weights, without running it, and what another one changes."""
    from dataclasses import replace

    from pe_validate.targets.coreai.inspection import changes, isolated_inspection

    found = [isolated_inspection(path, function) for path in (file, compare) if path]
    if compare:
        found[1] = replace(found[1], changes=tuple(changes(*found)))
    print_inspections(found, "asset", as_json=as_json)
