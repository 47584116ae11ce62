"""What the features of a model mean, and with it which tasks they can be held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pe_validate.data.outputs import Outputs


@dataclass(frozen=True, slots=True)
class Answer:
    """Embeddings that are looked up: one for each image, or one for each of its tokens.

    ``leading`` tokens come before those that are looked up. ``queries`` and ``bank`` are how many images a search
    looks up, and among how many.
    """

    per_image: bool
    leading: int = 0
    queries: int = 16
    bank: int = 32

    def embeddings(self, outputs: Outputs) -> NDArray[np.float32]:
        """Return what is looked up of every image: ``[images, dim]``, or ``[images × tokens, dim]``."""
        answers = outputs.features.values()
        return np.concatenate([answer.reshape(-1, answer.shape[-1])[self.leading :] for answer in answers])


ONE_EMBEDDING: Final = Answer(per_image=True)
"""Features ``[1, dim]``."""


def tokens(leading: int) -> Answer:
    """Return the meaning of features ``[1, tokens, dim]``; the first ``leading`` tokens stand for no part of an image.

    Each image has hundreds of tokens: two are looked up in two.
    """
    return Answer(per_image=False, leading=leading, queries=2, bank=2)
