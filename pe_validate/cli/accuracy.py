"""``pe-validate accuracy``: how many labelled images an artifact recognises, against PyTorch on the same images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pe_validate.case import default_cases
from pe_validate.cli.classes import lines_of, templates_of, workers_of
from pe_validate.cli.options import (
    CacheDir,
    Calibration,
    Ema,
    Json,
    ModelOfFiles,
    Quiet,
    Runtimes,
    Weights,
    averaged,
    case_argument,
)
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import model_named, text_model_of
from pe_validate.system.errors import UsageError
from pe_validate.walk.again import command

if TYPE_CHECKING:
    from pe_validate.inputs.datasets import Dataset
    from pe_validate.walk.accuracy import Gatherer, Method, Recognition
    from pe_validate.walk.captions import Retrieval

    Gather = Callable[[Dataset], Gatherer]

CAPTIONS: Final = ".json"
"""The suffix of a file of captions."""

DEFAULT_REPORT: Final = Path("build/accuracy")


def accuracy(
    dataset: Annotated[
        Path,
        typer.Argument(
            metavar="DATASET",
            help="A folder with a folder of images for each class, WebDataset's .tar or .parquet files, or "
            "captions in a .json file as COCO has them.",
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
    images: Annotated[Path | None, typer.Option(help="The folder of the images of captions.")] = None,
    calibration: Calibration = None,
    report: Annotated[Path, typer.Option("--report", help="Folder to write the report to.")] = DEFAULT_REPORT,
    cache_dir: CacheDir = None,
    jobs: Runtimes = None,
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
    from pe_validate.reference.shards import ShardStore
    from pe_validate.report.accuracies import make_report, to_json, to_table, write
    from pe_validate.report.progress import show
    from pe_validate.report.tables import make_room
    from pe_validate.walk.accuracy import Gatherer, check_recognises
    from pe_validate.walk.files import chosen
    from pe_validate.walk.walk import export_all

    asked = Ways(labels, templates, by, classes, head, means, images)
    asked.check(captions=dataset.suffix == CAPTIONS)
    make_room(report)
    spec = averaged(weights, ema)
    selected, files = chosen(cases, model, spec) if cases else (default_cases(), {})
    models = tuple(dict.fromkeys(case.model for case in selected))
    for name in models:
        check_recognises(name)
    workers, store = workers_of(jobs, ray), ShardStore((cache_dir or default_cache_dir()) / "features")
    with show(plain=quiet) as progress:
        gather = partial(Gatherer, workers=workers, store=store, progress=progress)
        way = asked.recognition if dataset.suffix != CAPTIONS else asked.retrieval
        experiment = way(dataset, models, spec, gather, cache_dir)
        artifacts = export_all(
            selected, spec, calibration=calibration, cache_dir=cache_dir, progress=progress, files=files
        )
        rows, broken = experiment.measure(artifacts)
    again = command(
        "accuracy", str(dataset), *(cases or []), options={"--model": model, "--weights": spec} | asked.said
    )
    made = make_report(again, spec, experiment.task, rows, broken)
    write(made, report)
    if as_json:
        print(to_json(made).decode())
    else:
        print_table(to_table(made))
    raise typer.Exit(made.exit_code)


@dataclass(frozen=True, slots=True)
class Ways:
    """The options that say how images are recognised."""

    labels: Path | None
    templates: str
    by: str | None
    classes: Path | None
    head: Path | None
    means: Path | None
    images: Path | None

    @property
    def said(self) -> dict[str, object]:
        """The options as they are written on a command line."""
        return {
            f"--{'with' if field.name == 'by' else field.name}": getattr(self, field.name) for field in fields(self)
        }

    def check(self, *, captions: bool) -> None:
        """Check that the options go together, and with the dataset.

        Raises:
            UsageError: they do not.
        """
        ways = (bool(self.classes), bool(self.head), bool(self.means), bool(self.templates or self.by))
        if sum(ways) > 1:
            raise UsageError("Choose one of --classes, --head, --means, and prompts with --templates or --with.")
        if captions and (self.labels or self.templates or any(ways[:3])):
            raise UsageError("Captions are found by their texts: only --with and --images go with them.")
        if self.images and not captions:
            raise UsageError("--images is the folder of the images that captions in a .json file are of.")

    def recognition(
        self, path: Path, models: tuple[str, ...], weights: str, gather: Gather, cache_dir: Path | None
    ) -> Recognition:
        """Return how the images of classes are recognised."""
        from pe_validate.inputs.datasets import dataset_at
        from pe_validate.walk import recognition
        from pe_validate.walk.accuracy import Recognition
        from pe_validate.walk.texts import TextSide, prompts_of

        dataset = dataset_at(path)
        labels = recognition.labels_of(dataset, lines_of(self.labels) if self.labels else None)
        method: Method
        if self.classes:
            method = recognition.Table(self.classes, labels)
        elif self.head:
            method = recognition.Head(self.head, labels)
        elif self.means:
            method = recognition.Means(gather(dataset_at(self.means)), weights, labels)
        elif all(model_named(model).answer for model in models):
            prompts = tuple(templates_of(self.templates))
            texts = TextSide(gather(prompts_of(labels, prompts)), weights, self.by, cache_dir)
            method = recognition.ZeroShot(labels, prompts, texts)
        else:
            method = recognition.Itself(labels)
        return Recognition(gather(dataset), weights, labels, method)

    def retrieval(
        self, path: Path, models: tuple[str, ...], weights: str, gather: Gather, cache_dir: Path | None
    ) -> Retrieval:
        """Return how images and captions find each other."""
        from pe_validate.inputs.captions import captions_at
        from pe_validate.walk.captions import Retrieval
        from pe_validate.walk.texts import TextSide

        for model in models:
            text_model_of(model)
        found = captions_at(path, self.images)
        texts = TextSide(gather(found.texts), weights, self.by, cache_dir)
        return Retrieval(gather(found.images), weights, texts)
