"""What the vision and the text towers have in common as models."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Final

from pe_validate.data.recipe import HALF
from pe_validate.models.base import Model
from pe_validate.models.perception_encoder.vision.config import LICENCE
from pe_validate.system.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from pe_validate.inputs.feed import ImageFeed
    from pe_validate.models.perception_encoder.text.feed import TextFeed
    from pe_validate.models.perception_encoder.vision.deploy import Style
    from pe_validate.models.weights import Sources, Weights

READERS: Final = ("pe_validate.models.weights", "pe_validate.models.checkpoints", f"{__package__}.synthetic")
"""The modules, beside a tower's own, that decide what its weights are."""


class TowerModel(Model):
    """Base class of towers, which have Meta's parameter names and a rewrite in three styles."""

    licence = LICENCE
    feed: ImageFeed | TextFeed

    @abstractmethod
    def sources(self) -> Sources:
        """Return what its weights may be read from."""

    @abstractmethod
    def empty(self) -> nn.Module:
        """Return the tower without values."""

    @abstractmethod
    def rewritten(self, module: Any, style: Style) -> nn.Module:
        """Return the rewrite of a tower in a style."""

    def at_size(self, size: int) -> TowerModel:
        """Return the tower for images of another size.

        Raises:
            UsageError: it takes no images.
        """
        raise UsageError(f"{self.name} takes no images, so it has no 'image_size'.")

    @abstractmethod
    def of_batch(self, batch: int) -> TowerModel:
        """Return the tower that takes so many images or texts at once."""

    def up_to(self, module: Any, layer: int) -> nn.Module:
        """Return the tower up to one of its blocks, the first of which is 1; it gives every token.

        Raises:
            UsageError: there is no such block, or it gives no tokens.
        """
        raise UsageError(f"{self.name} gives no tokens of a 'layer'.")

    def untrained(self, trained: str) -> UsageError:
        """Return the refusal of trained weights, which come for the tower named ``trained`` alone."""
        return UsageError(f"Only {trained} comes with trained weights; for {self.name} pass file:PATH or hf:REPO.")

    def load_weights(self, spec: str) -> Weights:
        """Read the weights; the other tower of a CLIP checkpoint is left alone."""
        from pe_validate.models.weights import read_weights

        return read_weights(spec, self.sources())

    def load(self, weights: Weights) -> nn.Module:
        """Return the tower, with Meta's parameter names."""
        tower = self.empty()
        tower.load_state_dict(weights.tensors, assign=True)
        return tower.eval().requires_grad_(False)

    def deployable(self, module: Any, form: str) -> nn.Module:
        """Return the rewrite of ``module``.

        Raises:
            UsageError: there is no such form.
        """
        from pe_validate.models.perception_encoder.vision.deploy import STYLES

        styles = {str(style): style for style in STYLES}
        if form not in styles:
            raise UsageError(f"{self.name} has no form '{form}': choose one of {', '.join(styles)}.")
        return self.rewritten(module, styles[form])

    def approximates(self, form: str) -> bool:
        """Return whether ``form`` approximates GELU by a polynomial, which XNNPACK can compute in float16."""
        return form == HALF

    def exact(self, deployable: Any) -> nn.Module:
        """Return ``deployable`` with every GELU made exact (erf), in place."""
        from pe_validate.models.perception_encoder.vision.deploy import with_erf

        return with_erf(deployable)

    def at_place(self, place: str, value: NDArray[np.generic]) -> NDArray[np.float64]:
        """Remove the mean over the channels, as the rewrite may have done, except from the features."""
        from pe_validate.models.perception_encoder.vision.places import at_place

        return at_place(place, value)
