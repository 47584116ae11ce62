"""``pe-validate ios``: what an iPhone is given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.case import model_config, select
from pe_validate.cli.options import CacheDir, Calibration, Json, Quiet, Weights
from pe_validate.models.registry import DEFAULT_WEIGHTS
from pe_validate.system.errors import UsageError

app = typer.Typer(help="Prepare what an iPhone proves again.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Keep 'bundle' a command of its own, though it is the only one."""


@app.command()
def bundle(
    cases: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CASE]…", help="As for 'run'. [default: the recommended ones that a phone computes]"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that is made, or replaced whole.")] = Path("ios_xctest/Resources"),
    goldens: Annotated[Path, typer.Option(help="Folder of the goldens.")] = Path("golden"),
    weights: Weights = DEFAULT_WEIGHTS,
    classes: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=FILE", help="Class embeddings (.safetensors) that the app names images by."),
    ] = None,
    calibration: Calibration = None,
    cache_dir: CacheDir = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Exports side by side.")] = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Put artifacts, goldens and their manifest where the Xcode project takes them from."""
    from pydantic import TypeAdapter

    from pe_validate.goldens.bundle import RECOMMENDED, Bundle
    from pe_validate.goldens.bundle import bundle as put_together
    from pe_validate.report.progress import show

    with show(plain=quiet) as progress:
        made = put_together(
            select(cases or RECOMMENDED),
            out,
            goldens,
            weights,
            classes=_tables(classes or []),
            calibration=calibration,
            cache_dir=cache_dir,
            progress=progress,
            jobs=jobs,
        )
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if as_json:
        print(TypeAdapter(Bundle).dump_json(made, indent=1).decode())
        return
    for artifact in made.artifacts:
        print(f"{out / artifact.file}  {artifact.bytes / 1e6:.1f} MB  sha256 {artifact.sha256}")
    print(f"{out}  {total / 1e6:.1f} MB with goldens and manifest")


def _tables(named: list[str]) -> dict[str, Path]:
    """``MODEL=FILE`` → files by model.

    Raises:
        UsageError: it is written otherwise, or there is no such model.
    """
    found = {}
    for text in named:
        model, separator, file = text.partition("=")
        if not (separator and file):
            raise UsageError(f"'{text}' does not say whose class embeddings these are: write MODEL=FILE.")
        found[model_config(model).name] = Path(file)
    return found
