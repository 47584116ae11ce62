"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Weights = Annotated[
    str,
    typer.Option(
        help="seed:N, seed:N+outliers, trained (PE-Nano), file:PATH (.pt, .safetensors) or hf:REPO[@REVISION][:FILE]."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Plain progress lines instead of live ones.")]
CacheDir = Annotated[
    Path | None,
    typer.Option(envvar="PE_VALIDATE_CACHE", help="Folder of exported artifacts. [default: the user's cache]"),
]
Images = Annotated[Path | None, typer.Option(help="Folder of photographs to use instead of the built-in ones.")]
Calibration = Annotated[
    Path | None, typer.Option(help="Folder of photographs that int8-static is calibrated on instead.")
]
Jobs = Annotated[int, typer.Option("--jobs", "-j", min=1, help="Exports worked on side by side.")]


def case_argument(metavar: str, text: str) -> Any:
    """Return an argument that names cases, which a shell completes."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=_cases_that_begin)


def _cases_that_begin(incomplete: str) -> list[str]:
    from pe_validate.case import matrix

    return [name for name in map(str, matrix()) if name.startswith(incomplete)]
