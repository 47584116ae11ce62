"""``pe-validate classes``: make the table of class embeddings by which an app names images."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pe_validate.cli.options import CacheDir, Ema, Quiet, Runtimes, Weights, averaged
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import model_named, text_model_of
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.system.files import replace_file
from pe_validate.tasks.prompts import GAP, TEMPLATE

if TYPE_CHECKING:
    from pe_validate.machines.workers import Workers

OPENAI: Final = "openai"
"""The name of the eighty templates that were published with CLIP."""


def classes(
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="[LABEL]…", help='Labels, such as cat "sports car".')
    ] = None,
    model: Annotated[str, typer.Option(help="The model whose app names images, such as PE-Core-S16-384.")] = "",
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("classes.safetensors"),
    file: Annotated[Path | None, typer.Option("--labels", help="A file with a label a line.")] = None,
    templates: Annotated[
        str, typer.Option(help=f"A file with a template a line, or '{OPENAI}' for the eighty of CLIP.")
    ] = "",
    by: Annotated[
        str | None, typer.Option("--with", metavar="CASE", help="Compute by this artifact. [default: PyTorch]")
    ] = None,
    weights: Weights = DEFAULT_WEIGHTS,
    ema: Ema = False,
    cache_dir: CacheDir = None,
    jobs: Runtimes = None,
    quiet: Quiet = False,
) -> None:
    """Embed labels with a text tower: per class, the normalised mean of its normalised prompts."""
    from safetensors.numpy import save

    from pe_validate.inputs.cache import default_cache_dir
    from pe_validate.models.classes import EMBEDDINGS, LABELS
    from pe_validate.reference.shards import ShardStore
    from pe_validate.report.progress import show
    from pe_validate.tasks.classify import class_means
    from pe_validate.walk.accuracy import Gatherer
    from pe_validate.walk.texts import TextSide, prompts_of, tell_cut, text_case

    if not model:
        raise UsageError("Say with --model whose classes these are, such as PE-Core-S16-384.")
    text = text_model_of(model_named(model).name)
    named = lines_of(file) if file else list(labels or ())
    if not named or (file and labels):
        raise UsageError("Name the classes: labels on the command line, or a file with --labels.")
    if double := next((label for label in named if named.count(label) > 1), None):
        raise UsageError(f"The label '{double}' is there twice.")
    prompts = templates_of(templates)
    case = text_case(by, text.name)
    loaded = text.load_weights(averaged(weights, ema))
    store = ShardStore((cache_dir or default_cache_dir()) / "features")
    with show(plain=quiet) as progress:
        tell_cut(case, named, prompts, progress)
        gatherer = Gatherer(prompts_of(named, prompts), workers_of(jobs), store, progress)
        found = TextSide(gatherer, loaded.spec, by, cache_dir).features(case)
    embeddings = class_means(found.values, found.labels, named).weight
    about = {
        LABELS: json.dumps(named, ensure_ascii=False),
        "templates": json.dumps(prompts, ensure_ascii=False),
        "model": model,
        "weights": loaded.spec,
        "weights_sha256": loaded.sha256,
        "computed_by": f"{case}, {found.producer}",
    }
    replace_file(out, save({EMBEDDINGS: embeddings}, about))
    print(f"{out}  {len(named)} classes, {len(prompts)} templates, {embeddings.shape[1]} dimensions")


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file that are not empty.

    Raises:
        LoadError: it cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"'{path}' cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def templates_of(said: str) -> list[str]:
    """Return the templates that were asked for.

    Raises:
        UsageError: one has no place for the label, or more than one.
        LoadError: the file cannot be read.
    """
    if not said:
        return [TEMPLATE]
    if said == OPENAI:
        from pe_validate.models.perception_encoder.text.published import templates

        return list(templates())
    found = lines_of(Path(said))
    if wrong := next((line for line in found if line.count(GAP) != 1), None):
        raise UsageError(f"The template '{wrong}' in '{said}' needs one '{GAP}', where the label goes.")
    if not found:
        raise UsageError(f"'{said}' holds no template.")
    return found


def workers_of(jobs: int | None, ray: str | None = None) -> Workers:
    """Return what answers: a cluster, or processes on this machine that share its cores."""
    cores = os.cpu_count() or 1
    if ray is not None:
        from pe_validate.machines.cluster import Cluster

        return Cluster(ray, jobs)
    from pe_validate.machines.workers import Processes

    return Processes(jobs or cores, max(1, cores // (jobs or cores)))
