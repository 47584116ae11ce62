"""Options that several commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

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

DEFAULT_WEIGHTS: Final = "seed:7"
