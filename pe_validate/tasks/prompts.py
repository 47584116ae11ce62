"""Tables of class embeddings, made of labels, templates and a text tower, as CLIP_benchmark makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

GAP: Final = "{}"
"""Where a label goes in a template."""

TEMPLATE: Final = "a photo of a {}."

Embed = Callable[[str], "NDArray[np.float32]"]
"""A function from a text to its features, ``[dim]``."""


def class_embeddings(
    labels: Sequence[str], templates: Sequence[str], embed: Embed, counted: Callable[[int, int], None]
) -> NDArray[np.float32]:
    """Return the embedding of each label, ``[labels, dim]``, of length 1.

    The features of its texts, one for each template, are normalised, averaged, and normalised again.
    """
    import numpy as np

    from pe_validate.tasks.direction import direction

    rows = []
    for done, label in enumerate(labels):
        counted(done, len(labels))
        rows.append(direction(np.stack([embed(template.replace(GAP, label)) for template in templates])))
    return np.stack(rows).astype(np.float32)
