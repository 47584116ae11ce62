"""Tables of class embeddings, with which an app names what it sees; safetensors, checked before they are bundled.

``embeddings`` is float32 ``[classes, dim]``; ``labels``, in the metadata, is a JSON array of one string per class.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from pe_validate.models.registry import BUILT_IN, model_named
from pe_validate.system.errors import LoadError
from pe_validate.system.files import plain_file

EMBEDDINGS = "embeddings"
LABELS = "labels"


def check_classes(path: Path, model: str) -> bytes:
    """Return the content of the file if it is a table that fits the features of ``model``.

    Raises:
        UsageError: there is no such model.
        LoadError: the file is not such a table, or the model's features have another length.
    """
    content, _, _ = _checked(path, model)
    return content


def read_classes(path: Path, model: str) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return the labels and the embeddings, ``[classes, dim]``, of a table that fits the features of ``model``.

    Raises:
        UsageError: there is no such model.
        LoadError: the file is not such a table, or the model's features have another length.
    """
    _, labels, embeddings = _checked(path, model)
    return labels, embeddings


def _checked(path: Path, model: str) -> tuple[bytes, tuple[str, ...], NDArray[np.float32]]:
    """Return the content, the labels and the embeddings."""
    value = model_named(model)
    if not (value.answer and value.answer.per_image):
        raise LoadError(f"{model} gives a feature for every patch and none for the image: classes need a Core model.")
    try:
        with safe_open(plain_file(path), "np") as file:
            about = file.metadata() or {}
            labels = json.loads(about[LABELS])
            embeddings = file.get_tensor(EMBEDDINGS)
        content = path.read_bytes()
    except (OSError, SafetensorError, KeyError, ValueError, RecursionError) as error:
        raise LoadError(
            f"'{path}' is not a table of class embeddings ({error}): it needs '{EMBEDDINGS}', and '{LABELS}' in its "
            "metadata as a JSON array."
        ) from error
    dim = value.output.shape[-1]
    made_for = about.get("model", model)
    fault = None
    if made_for != model and {made_for, model} <= set(BUILT_IN):
        fault = f"it was made for {made_for}"
    elif embeddings.dtype != np.float32 or embeddings.ndim != 2 or embeddings.shape[1] != dim:
        fault = f"'{EMBEDDINGS}' is {embeddings.dtype} {list(embeddings.shape)}, not float32 [classes, {dim}]"
    elif not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        fault = f"'{LABELS}' is not an array of strings"
    elif not len(labels) == len(embeddings) > 0:
        fault = f"it has {len(labels)} labels for {len(embeddings)} embeddings"
    elif not np.isfinite(embeddings).all() or not embeddings.any(axis=1).all():
        fault = "an embedding is zero or not finite"
    if fault:
        raise LoadError(f"The class embeddings in '{path}' do not fit {model}: {fault}.")
    return content, tuple(labels), embeddings
