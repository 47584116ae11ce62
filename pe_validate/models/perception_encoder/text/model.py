"""The text towers as models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pe_validate.data.limits import Pieces
from pe_validate.data.tensors import OUTPUT_NAME, TensorSpec
from pe_validate.models.perception_encoder.model import READERS, TowerModel
from pe_validate.models.perception_encoder.text.config import NANO_TEXT, TEXT_CONFIGS, TextConfig
from pe_validate.models.perception_encoder.text.feed import TextFeed
from pe_validate.tasks.answer import ONE_EMBEDDING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from pe_validate.models.mistake import Mistake
    from pe_validate.models.perception_encoder.text.tower import TextTower
    from pe_validate.models.perception_encoder.vision.deploy import Style
    from pe_validate.models.weights import Sources

TEXT: Final = "-text"
"""The end of the name of a text tower, after that of its vision tower."""

TOKENS: Final = "tokens"
"""The name of the input."""

_HERE: Final = "pe_validate.models.perception_encoder.text"
_MODULES: Final = (
    *(f"{_HERE}.{name}" for name in ("config", "tower", "deploy", "synthetic", "nano")),
    "pe_validate.models.perception_encoder.vision.tower",
    "pe_validate.models.perception_encoder.vision.deploy",
)
"""The modules that decide what a tower and its rewrites compute."""

OUTSIDE: Final = ("aten::embedding.out", "aten::argmax.out", "aten::index_select.out")
"""Operators on ids, which a delegate for floats does not take."""

STARTS: Final = "aten::add.out"
"""What counts the tokens of a batch from the first text on, which are ids, too."""


class TextModel(TowerModel):
    """One Perception Encoder text tower."""

    modules = (*READERS, *_MODULES)

    def __init__(self, config: TextConfig, batch: int = 1) -> None:
        self.config = config
        self.name = config.name
        self.inputs = (TensorSpec(TOKENS, (batch, config.context), "int32"),)
        self.outputs = (TensorSpec(OUTPUT_NAME, (batch, config.output_dim), "float32"),)
        self.feed = TextFeed(config.context, batch)
        self.answer = ONE_EMBEDDING
        self.macs = config.macs

    def tokens(self, texts: Sequence[str]) -> NDArray[np.int32]:
        """Return the ids of texts, ``[texts, context]``.

        Raises:
            SetupError: the vocabulary cannot be had, or the reference lines get other ids than Meta's tokenizer gives.
        """
        from pe_validate.models.perception_encoder.text.tokenizer import check_tokenizer, tokenized

        check_tokenizer()
        return tokenized(texts, self.config.context)

    def sources(self) -> Sources:
        """Return its sources: ``seed:N``, ``trained`` (PE-Nano-text), ``file:PATH`` and ``hf:REPO``."""
        from pe_validate.models.weights import Sources

        return Sources(self.name, self.empty().state_dict(), self._seeded, trained=self._trained, told=("logit_scale",))

    def _trained(self) -> dict[str, Tensor]:
        from pe_validate.models.perception_encoder.text.nano import trained_tensors

        if self.config != NANO_TEXT:
            raise self.untrained(NANO_TEXT.name)
        return trained_tensors()

    def _seeded(self, seed: int, family: str) -> dict[str, Tensor]:
        from pe_validate.models.perception_encoder.text.synthetic import seeded

        return seeded(self.config, seed)

    def of_batch(self, batch: int) -> TextModel:
        """Return the tower that takes so many texts at once."""
        return TextModel(self.config, batch)

    def empty(self) -> TextTower:
        """Return the tower without values."""
        from pe_validate.models.perception_encoder.text.tower import empty_text_tower

        return empty_text_tower(self.config)

    def rewritten(self, module: Any, style: Style) -> nn.Module:
        """Return the rewrite of :mod:`~pe_validate.models.perception_encoder.text.deploy`."""
        from pe_validate.models.perception_encoder.text.deploy import deploy

        return deploy(module, style=style)

    def places(self, module: Any, image: NDArray[np.generic]) -> Mapping[str, NDArray[np.float64]]:
        """See :mod:`~pe_validate.models.perception_encoder.text.places`."""
        from pe_validate.models.perception_encoder.text.places import places_of

        return places_of(module, image)

    def place_of_layer(self, name: str) -> str | None:
        """Return the place of a layer: ``encoder.block2.contract.weight`` is in ``block 2 MLP``."""
        from pe_validate.models.perception_encoder.text.places import place_of_layer

        return place_of_layer(name)

    def mistakes(self) -> Sequence[Mistake]:
        """See :mod:`~pe_validate.models.perception_encoder.text.mistakes`."""
        from pe_validate.models.perception_encoder.text.mistakes import mistakes

        return mistakes(self.config)

    def pieces(self, kind: str) -> Pieces:
        """Return the pieces that programs fall into: what handles ids, and one delegate call."""
        outside = OUTSIDE if self.feed.batch == 1 else (*OUTSIDE, STARTS)
        return Pieces(
            1, outside, "A look-up of embeddings and the choice of the last token work on ids, not on floats."
        )


TEXT_MODELS: Final = tuple(TextModel(config) for config in TEXT_CONFIGS.values())
"""Every published text tower, then PE-Nano's."""
