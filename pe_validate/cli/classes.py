"""``pe-validate classes``: make the table of class embeddings by which an app names images."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pe_validate.case import Case, select
from pe_validate.cli.options import CacheDir, Ema, Quiet, Weights, averaged
from pe_validate.models.base import DEFAULT_WEIGHTS
from pe_validate.models.registry import model_named, text_model_of
from pe_validate.system.errors import LoadError, UsageError
from pe_validate.system.files import replace_file
from pe_validate.tasks.prompts import GAP, TEMPLATE

if TYPE_CHECKING:
    from pe_validate.data.progress import Progress
    from pe_validate.models.weights import Weights as Loaded
    from pe_validate.targets.runtime import Runtime

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
    quiet: Quiet = False,
) -> None:
    """Embed labels with a text tower: per class, the normalised mean of its normalised prompts."""
    from safetensors.numpy import save

    from pe_validate.data.progress import counting
    from pe_validate.goldens.classes import EMBEDDINGS, LABELS
    from pe_validate.report.progress import show
    from pe_validate.tasks.prompts import class_embeddings

    if not model:
        raise UsageError("Say with --model whose classes these are, such as PE-Core-S16-384.")
    text = text_model_of(model_named(model).name)
    named = _lines(file) if file else list(labels or ())
    if not named or (file and labels):
        raise UsageError("Name the classes: labels on the command line, or a file with --labels.")
    if double := next((label for label in named if named.count(label) > 1), None):
        raise UsageError(f"The label '{double}' is there twice.")
    prompts = _templates(templates)
    case = Case(text.name, "eager", "fp32") if by is None else _case(by, text.name)
    spec = averaged(weights, ema)
    with show(plain=quiet) as progress:
        progress(case, "load")
        loaded = text.load_weights(spec)
        _tell_cut(case, named, prompts, progress)
        with _opened(case, loaded, cache_dir, progress) as runtime:
            progress(case, "run")
            embeddings = class_embeddings(
                named,
                prompts,
                lambda line: runtime.run(text.tokens([line]))[0],
                counting(progress, case, "run"),
            )
            producer = runtime.producer
        progress(case, "done")
    about = {
        LABELS: json.dumps(named, ensure_ascii=False),
        "templates": json.dumps(prompts, ensure_ascii=False),
        "model": model,
        "weights": loaded.spec,
        "weights_sha256": loaded.sha256,
        "computed_by": f"{case}, {producer}",
    }
    replace_file(out, save({EMBEDDINGS: embeddings}, about))
    print(f"{out}  {len(named)} classes, {len(prompts)} templates, {embeddings.shape[1]} dimensions")


def _case(by: str, model: str) -> Case:
    chosen = select([by])
    if len(chosen) != 1 or chosen[0].model != model:
        raise UsageError(f"'{by}' is no artifact of {model}: name one, such as {model}/onnx/fp32.")
    return chosen[0]


@contextmanager
def _opened(case: Case, loaded: Loaded, cache_dir: Path | None, progress: Progress) -> Iterator[Runtime]:
    """Yield the text tower in eager PyTorch, or its artifact."""
    model = model_named(case.model)
    if case.target == "eager":
        from pe_validate.targets.eager import EagerRuntime

        yield EagerRuntime(model.load(loaded), model)
        return
    from pe_validate.machines.isolation import opened
    from pe_validate.targets.export import export

    progress(case, "export")
    with opened(case, export(case, loaded, cache_dir).path, model.interface) as runtime:
        yield runtime


def _lines(path: Path) -> list[str]:
    """Return the lines of a file that are not empty.

    Raises:
        LoadError: it cannot be read.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"'{path}' cannot be read ({getattr(error, 'strerror', None) or error}).") from error


def _templates(said: str) -> list[str]:
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
    found = _lines(Path(said))
    if wrong := next((line for line in found if line.count(GAP) != 1), None):
        raise UsageError(f"The template '{wrong}' in '{said}' needs one '{GAP}', where the label goes.")
    if not found:
        raise UsageError(f"'{said}' holds no template.")
    return found


def _tell_cut(case: Case, labels: Sequence[str], templates: Sequence[str], progress: Progress) -> None:
    """Say which labels are longer than the tower's context, with the longest template."""
    from pe_validate.data.progress import Note
    from pe_validate.models.perception_encoder.text.tokenizer import encoded

    context = model_named(case.model).input.shape[1]
    longest = max(templates, key=len)
    for label, ids in zip(labels, encoded([longest.replace(GAP, label) for label in labels]), strict=True):
        if len(ids) > context - 2:
            progress(case, Note(f"'{label}' is cut: its prompt has {len(ids)} tokens, and {context - 2} fit."))
