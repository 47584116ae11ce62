"""The meaning of a model's features, which decides the tasks that they can be judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pe_validate.data.outputs import Outputs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Answer:
    """Features that are embeddings: one for each image, or one for each of its tokens.

    The first ``leading`` tokens are left out. A search looks up ``queries`` images in a bank of ``bank`` images.
    """

    per_image: bool
    leading: int = 0
    queries: int = 16
    bank: int = 32

    def embeddings(self, outputs: Outputs) -> NDArray[np.float32]:
        """Return the embeddings of all images: ``[images, dim]``, or ``[images × tokens, dim]``."""
        import numpy as np

        answers = outputs.features.values()
        return np.concatenate([answer.reshape(-1, answer.shape[-1])[self.leading :] for answer in answers])


ONE_EMBEDDING: Final = Answer(per_image=True)
"""One embedding for each image; the features are ``[1, dim]``."""


def tokens(leading: int) -> Answer:
    """Return the meaning of features ``[1, tokens, dim]``, of which the first ``leading`` tokens are not patches.

    Each image has hundreds of tokens, so two images are looked up in two.
    """
    return Answer(per_image=False, leading=leading, queries=2, bank=2)
