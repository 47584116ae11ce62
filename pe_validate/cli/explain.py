"""``pe-validate explain``: find where an artifact starts to differ from its model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pe_validate.case import select
from pe_validate.cli.options import CacheDir, Calibration, Ema, Images, Json, Quiet, Weights, averaged
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.system.errors import UsageError
from pe_validate.system.legible import legible

if TYPE_CHECKING:
    from pe_validate.data.diagnosis import Diagnosis
    from pe_validate.data.explanation import Explanation
    from pe_validate.reference.reference import Reference


def explain(
    what: Annotated[str, typer.Argument(metavar="CASE|FILE", help="A case, or a file that someone else made.")],
    model: Annotated[str | None, typer.Option(help="The model that the file claims to be.")] = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
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
    """Follow one image through model and artifact: name the first place where they differ, and the mistake; exit 1."""
    from pe_validate.cli.printing import print_json
    from pe_validate.data.progress import Note
    from pe_validate.data.schema import schema
    from pe_validate.explain.locate import first_departure
    from pe_validate.reference.reference import reference
    from pe_validate.report.explained import to_chart
    from pe_validate.report.progress import show
    from pe_validate.targets.export import export
    from pe_validate.walk.check import as_handed_over, claimed, structure_of

    weights = averaged(weights, ema)
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
        for note in loaded.weights.notes:
            progress(case, Note(note))
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
        if found.place:
            progress(case, "diagnose")
        diagnosis = legible(_diagnosis(found, file, loaded, made_here=model is None)) if found.place else None
        progress(case, "done")
    if as_json:
        dumped = [json.loads(schema(type(each)).dump_json(each)) for each in (found, diagnosis) if each]
        print_json(dumped[0] | {"diagnosis": dumped[1] if diagnosis else None})
    else:
        print(found.sentence, *([diagnosis.sentence] if diagnosis else []), "", to_chart(found), sep="\n")
    raise typer.Exit(int(found.place is not None))


def _diagnosis(found: Explanation, file: Path, loaded: Reference, *, made_here: bool) -> Diagnosis | None:
    """Return what the artifact is in place of the model, by its answers to every input."""
    from pe_validate.explain.diagnose import diagnosis_of
    from pe_validate.gates.base import Subject
    from pe_validate.gates.evidence import Evidence
    from pe_validate.gates.registry import BY_NAME

    subject = Subject(found.case, loaded.weights.spec, made_here=made_here)
    with Evidence(subject, file, loaded) as evidence:
        verdict = BY_NAME[found.gate].judge(evidence)
    return diagnosis_of(evidence, [verdict] if verdict else [], found.place)
