"""The walk of ``pe-validate classes``: labels and templates through a text tower, in PyTorch or as an artifact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pe_validate.case import select
from pe_validate.data.case import EAGER, Case, itself
from pe_validate.data.progress import Note, Progress, counting
from pe_validate.machines.isolation import opened
from pe_validate.models.registry import model_named, text_model_of
from pe_validate.system.errors import UsageError
from pe_validate.targets.eager import EagerRuntime
from pe_validate.targets.export import export
from pe_validate.targets.runtime import Runtime
from pe_validate.tasks.prompts import GAP, class_embeddings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pe_validate.models.weights import Weights


@dataclass(frozen=True, slots=True, eq=False)
class ClassTable:
    """Class embeddings, ``[classes, dim]``, with the weights and the runtime that they come from."""

    embeddings: NDArray[np.float32]
    weights: Weights
    producer: str


def text_case(by: str | None, model: str) -> Case:
    """Return the case of a text tower that ``by`` names, or PyTorch itself if it names none.

    Raises:
        UsageError: it is not an artifact of ``model``.
    """
    if by is None:
        return itself(model)
    chosen = select([by])
    if len(chosen) != 1 or chosen[0].model != model:
        raise UsageError(f"'{by}' is no artifact of {model}: name one, such as {model}/onnx/fp32.")
    return chosen[0]


def class_table(
    case: Case,
    weights: str,
    labels: Sequence[str],
    templates: Sequence[str],
    cache_dir: Path | None,
    progress: Progress,
) -> ClassTable:
    """Embed ``labels`` with a text tower, by PyTorch or by an artifact, which is exported.

    Raises:
        LoadError, ExportError, RunError: that stage could not do its work.
        SetupError: the vocabulary cannot be had.
    """
    text = text_model_of(case.model)
    progress(case, "load")
    loaded = text.load_weights(weights)
    with _opened(case, loaded, cache_dir, progress) as runtime:
        progress(case, "run")
        embeddings = class_embeddings(
            labels,
            templates,
            lambda line: runtime.run(text.tokens([line]))[0],
            counting(progress, case, "run"),
        )
        producer = runtime.producer
    progress(case, "done")
    return ClassTable(embeddings, loaded, producer)


def tell_cut(case: Case, labels: Sequence[str], templates: Sequence[str], progress: Progress) -> None:
    """Say which labels are longer than the tower's context, with the longest template."""
    from pe_validate.models.perception_encoder.text.tokenizer import encoded

    context = model_named(case.model).input.shape[1]
    longest = max(templates, key=len)
    for label, ids in zip(labels, encoded([longest.replace(GAP, label) for label in labels]), strict=True):
        if len(ids) > context - 2:
            progress(case, Note(f"'{label}' is cut: its prompt has {len(ids)} tokens, and {context - 2} fit."))


@contextmanager
def _opened(case: Case, loaded: Weights, cache_dir: Path | None, progress: Progress) -> Iterator[Runtime]:
    """Yield the text tower in eager PyTorch, or its artifact."""
    model = model_named(case.model)
    if case.target == EAGER:
        yield EagerRuntime(model.load(loaded), model)
        return
    progress(case, "export")
    with opened(case, export(case, loaded, cache_dir).path, model.interface) as runtime:
        yield runtime
