"""``pe-validate explain``: find where an artifact starts to differ from its model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pe_validate.case import select
from pe_validate.cli.options import CacheDir, Calibration, Images, Json, Quiet, Weights
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.system.errors import UsageError
from pe_validate.system.legible import legible


def explain(
    what: Annotated[str, typer.Argument(metavar="CASE|FILE", help="A case, or a file that someone else made.")],
    model: Annotated[str | None, typer.Option(help="The model that the file claims to be.")] = None,
    weights: Weights = DEFAULT_WEIGHTS,
    precision: Annotated[str | None, typer.Option(help="The file's precision. [default: read from the file]")] = None,
    image: Annotated[
        str | None, typer.Option("--input", help="Name of the input to follow. [default: the first one]")
    ] = None,
    images: Images = None,
    calibration: Calibration = None,
    cache_dir: CacheDir = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Follow one image through model and artifact, and name the first place where they differ; exit 1 if they do."""
    from pydantic import TypeAdapter

    from pe_validate.data.explanation import Explanation
    from pe_validate.explain.locate import first_departure
    from pe_validate.reference.reference import reference
    from pe_validate.report.explained import to_chart
    from pe_validate.report.progress import show
    from pe_validate.targets.export import export
    from pe_validate.walk.check import as_handed_over, claimed, structure_of

    file = Path(what)
    if model is None and file.exists():
        raise UsageError(f"'{what}' is a file: say with --model which model it claims to be.")
    claim = claimed(file, model, precision) if model else None
    chosen = (claim.case,) if claim else select([what])
    if len(chosen) != 1:
        raise UsageError(f"'{what}' names {len(chosen)} cases: explain one, such as {chosen[0]}.")
    (case,) = chosen
    with show(plain=quiet) as progress:
        progress(case, "load")
        loaded = reference(case.model, weights, images, calibration)
        loaded = as_handed_over(loaded, structure_of(claim)) if claim else loaded
        known = {sample.name: sample for sample in (*loaded.inputs, *loaded.extremes.images)}
        if image is not None and image not in known:
            raise UsageError(f"There is no input '{image}': choose one of {', '.join(known)}.")
        if model is None:
            progress(case, "export")
            file = export(case, loaded.weights, cache_dir, calibration).path
        progress(case, "explain")
        sample = known[image] if image else loaded.inputs[0]
        found = legible(first_departure(case, file, loaded, sample, made_here=model is None))
        progress(case, "done")
    if as_json:
        print(TypeAdapter(Explanation).dump_json(found, indent=1).decode())
    else:
        print(found.sentence, "", to_chart(found), sep="\n")
    raise typer.Exit(int(found.place is not None))
