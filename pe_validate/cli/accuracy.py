"""``pe-validate accuracy``: how many labelled images an artifact recognises, against PyTorch on the same images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pe_validate.case import default_cases
from pe_validate.cli.classes import lines_of, templates_of
from pe_validate.cli.options import (
    CacheDir,
    Calibration,
    Ema,
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
from pe_validate.walk.again import command

if TYPE_CHECKING:
    from pe_validate.machines.pool import Pool
    from pe_validate.walk.accuracy import Method

DEFAULT_REPORT: Final = Path("build/accuracy")


def accuracy(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET",
            help="A folder with a folder of images for each class, or WebDataset's .tar or .parquet files.",
        ),
    ],
    cases: Annotated[list[str] | None, case_argument("CASE|FILE", "As for 'run', or files of --model.")] = None,
    model: ModelOfFiles = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    labels: Annotated[
        Path | None,
        typer.Option(help="A file with a label a line in the order of the classes, or lines CLASS<tab>LABEL."),
    ] = None,
    templates: Annotated[
        str, typer.Option(help="A file with a template a line, or 'openai' for the eighty of CLIP.")
    ] = "",
    by: Annotated[
        str | None, typer.Option("--with", metavar="CASE", help="Embed the labels for artifacts by this artifact.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="A table that 'pe-validate classes' made, in place of labels and templates.")
    ] = None,
    head: Annotated[Path | None, typer.Option(help="A linear head: .safetensors with 'weight' and 'bias'.")] = None,
    means: Annotated[
        Path | None,
        typer.Option(metavar="DATASET", help="Recognise by the nearest class mean of this dataset."),
    ] = None,
    calibration: Calibration = None,
    report: Annotated[Path, typer.Option("--report", help="Folder to write the report to.")] = DEFAULT_REPORT,
    cache_dir: CacheDir = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Number of runtimes side by side. [default: one per core]")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on this Ray cluster, such as auto or HOST:6379.")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Recognise the images of a dataset by PyTorch and by artifacts, and judge what is lost.

    Features are kept, so a run that was stopped goes on where it was.
    """
    from pe_validate.cli.printing import print_table
    from pe_validate.inputs.cache import default_cache_dir
    from pe_validate.inputs.datasets import dataset_at
    from pe_validate.reference.shards import ShardStore
    from pe_validate.report.accuracies import make_report, make_room, to_json, to_table, write
    from pe_validate.report.progress import show
    from pe_validate.walk import recognition
    from pe_validate.walk.accuracy import Gatherer, measure
    from pe_validate.walk.files import chosen
    from pe_validate.walk.walk import export_all

    if sum((bool(classes), bool(head), bool(means), bool(templates or by))) > 1:
        raise UsageError("Choose one of --classes, --head, --means, and prompts with --templates or --with.")
    make_room(report)
    spec = averaged(weights, ema)
    found = dataset_at(dataset)
    named = recognition.labels_of(found, lines_of(labels) if labels else None)
    selected, files = chosen(cases, model, spec) if cases else (default_cases(), {})
    pool = _pool(ray, jobs)
    store = ShardStore((cache_dir or default_cache_dir()) / "features")
    with show(plain=quiet) as progress:
        method: Method
        if classes:
            method = recognition.Table(classes, named)
        elif head:
            method = recognition.Head(head, named)
        elif means:
            method = recognition.Means(Gatherer(dataset_at(means), pool, store, progress), spec, named)
        elif all(model_named(case.model).answer for case in selected):
            prompts = tuple(templates_of(templates))
            method = recognition.ZeroShot(named, prompts, spec, by, cache_dir, progress)
        else:
            method = recognition.Itself(named)
        artifacts = export_all(
            selected, spec, calibration=calibration, cache_dir=cache_dir, progress=progress, files=files
        )
        gathered = measure(Gatherer(found, pool, store, progress), artifacts, spec, named, method)
    again = command("accuracy", str(dataset), *(cases or []))
    made = make_report(again, spec, found, named, method, gathered)
    write(made, report)
    if as_json:
        print(to_json(made).decode())
    else:
        print_table(to_table(made))
    raise typer.Exit(made.exit_code)


def _pool(ray: str | None, jobs: int | None) -> Pool:
    """Return what answers: a cluster, or processes on this machine that share its cores."""
    cores = os.cpu_count() or 1
    if ray is not None:
        from pe_validate.machines.cluster import Cluster

        return Cluster(ray, jobs)
    from pe_validate.machines.pool import Processes

    return Processes(jobs or cores, max(1, cores // (jobs or cores)))
