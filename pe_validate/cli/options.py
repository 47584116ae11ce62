"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pe_validate.models.base import EMA

Weights = Annotated[
    str,
    typer.Option(
        help="seed:N, seed:N+outliers, trained (PE-Nano), file:PATH (.pt, .safetensors, or a folder of shards; "
        "--ema for the moving average) or hf:REPO[@REVISION][:FILE]."
    ),
]
Ema = Annotated[
    bool, typer.Option("--ema", help="Take the moving average of the weights from a checkpoint that has both.")
]
ModelOfFiles = Annotated[str | None, typer.Option("--model", help="The model that files among these claim to be.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of a table.")]
Compare = Annotated[Path | None, typer.Option(metavar="OTHER", help="A second file to show beside it.")]
FunctionOfFile = Annotated[
    str | None, typer.Option("--function", help="Function to inspect, of several. [default: the file's own]")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print plain progress lines instead of a live display.")]
CacheDir = Annotated[
    Path | None,
    typer.Option(envvar="PE_VALIDATE_CACHE", help="Folder of cached artifacts. [default: the user's cache folder]"),
]
Images = Annotated[
    Path | None, typer.Option(help="Folder of photographs to use instead of the built-in ones, with the folders in it.")
]
Calibration = Annotated[
    Path | None, typer.Option(help="Folder of photographs to calibrate int8-static on instead of the built-in ones.")
]
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Number of exports, and then of artifacts, to run in parallel.")
]
Runtimes = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Number of runtimes side by side. [default: one per core]")
]


def averaged(weights: str, ema: bool) -> str:
    """Return the spec of the weights, or of their moving average if ``ema``."""
    return f"{weights}{EMA}" if ema else weights


def case_argument(metavar: str, text: str) -> Any:
    """Return a typer argument for the names of cases, with shell completion."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=_cases_that_begin)


def _cases_that_begin(incomplete: str) -> list[str]:
    from pe_validate.case import matrix

    return [name for name in map(str, matrix()) if name.startswith(incomplete)]
