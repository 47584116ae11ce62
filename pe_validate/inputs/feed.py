"""The inputs on which a model is validated."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pe_validate.inputs.images import Pixels, Sample


@dataclass(frozen=True, slots=True)
class ImageFeed:
    """Photographs and structured images, for a model that takes float32 ``[1, 3, size, size]`` in [-1, 1].

    ``photographs`` names a folder of them; by default the project's own are used.
    """

    size: int

    def pixels(self, photographs: Path | None = None) -> dict[str, Pixels]:
        """Return the images of ``pe-validate run`` by name, as uint8 ``[size, size, 3]``.

        Raises:
            LoadError: see :func:`~pe_validate.inputs.images.photographs`.
        """
        from pe_validate.inputs.images import default_pixels

        return default_pixels(self.size, photographs)

    def samples(self, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return the same images as inputs of the model."""
        from pe_validate.inputs.images import samples

        return samples(self.pixels(photographs))

    def crops(self, count: int, seed: int, photographs: Path | None = None) -> tuple[Sample, ...]:
        """Return ``count`` crops of the photographs; the same ``seed`` gives the same crops."""
        from pe_validate.inputs.images import crops, samples

        return samples(crops(self.size, count, seed, photographs))

    def extremes(self) -> tuple[Sample, ...]:
        """Return the darkest and the brightest possible image."""
        import numpy as np

        from pe_validate.inputs.images import samples

        shape = (self.size, self.size, 3)
        return samples({name: np.full(shape, value, np.uint8) for name, value in (("black", 0), ("white", 255))})
