"""``pe-validate ios``: prepare tests on an iPhone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.case import default_cases
from pe_validate.cli.options import (
    CacheDir,
    Calibration,
    Ema,
    Jobs,
    Json,
    ModelOfFiles,
    Quiet,
    Weights,
    averaged,
    case_argument,
)
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import model_named
from pe_validate.system.errors import UsageError

app = typer.Typer(help="Prepare tests on an iPhone.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def group() -> None:
    """Keep 'bundle' a subcommand although it is the only one."""


@app.command()
def bundle(
    cases: Annotated[
        list[str] | None,
        case_argument(
            "CASE|FILE", "As for 'run', or files of --model. [default: the recommended ones that a phone can run]"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder to write the bundle to; an older bundle is replaced.")] = Path(
        "ios_xctest/Resources"
    ),
    goldens: Annotated[Path, typer.Option(help="Folder of the goldens.")] = Path("golden"),
    model: ModelOfFiles = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    classes: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=FILE", help="Class embeddings (.safetensors) with which the app names images."),
    ] = None,
    tokenizer: Annotated[
        bool, typer.Option("--tokenizer", help="Add CLIP's tokenizer, so that the app can take texts that are typed.")
    ] = False,
    calibration: Calibration = None,
    cache_dir: CacheDir = None,
    jobs: Jobs = 2,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write artifacts, goldens and a manifest to the folder that the Xcode project reads."""
    from pe_validate.data.schema import schema
    from pe_validate.goldens.bundle import Bundle
    from pe_validate.goldens.bundle import bundle as put_together
    from pe_validate.models.perception_encoder.text.phone import TOKENIZER
    from pe_validate.report.progress import show
    from pe_validate.walk.files import chosen

    weights = averaged(weights, ema)
    named, files = chosen(cases, model, weights) if cases else (default_cases(on_phones=True), {})
    with show(plain=quiet) as progress:
        made = put_together(
            named,
            out,
            goldens,
            weights,
            classes=_tables(classes or []),
            tokenizer=tokenizer,
            calibration=calibration,
            cache_dir=cache_dir,
            progress=progress,
            jobs=jobs,
            files=files,
        )
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    if as_json:
        print(schema(Bundle).dump_json(made, indent=1, exclude_defaults=True).decode())
        return
    for artifact in made.artifacts:
        print(f"{out / artifact.file}  {artifact.bytes / 1e6:.1f} MB  sha256 {artifact.sha256}")
    if made.tokenizer:
        print(f"{out / TOKENIZER}  sha256 {made.tokenizer}")
    print(f"{out}  {total / 1e6:.1f} MB with goldens and manifest")


def _tables(named: list[str]) -> dict[str, Path]:
    """Parse ``MODEL=FILE`` options into files by model.

    Raises:
        UsageError: an option has another form, or there is no such model.
    """
    found = {}
    for text in named:
        model, separator, file = text.partition("=")
        if not (separator and file):
            raise UsageError(f"'{text}' does not say whose class embeddings these are: write MODEL=FILE.")
        found[model_named(model).name] = Path(file)
    return found
