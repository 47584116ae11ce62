"""PE-Nano-text's trained weights (``fixtures/nano/``)."""

from __future__ import annotations

from typing import Final

from safetensors.torch import load_file
from torch import Tensor

from pe_validate.models.perception_encoder.text.config import NANO_TEXT
from pe_validate.models.perception_encoder.text.synthetic import seeded
from pe_validate.system.files import shipped

TABLE: Final = "token_embedding.weight"
IDS: Final = "token_embedding.ids"
"""The ids whose rows of the table were trained, and are stored; the other rows are those of ``seed:7``."""

SEED: Final = 7


def trained_tensors() -> dict[str, Tensor]:
    """Return the trained tensors, with the whole table."""
    stored = load_file(shipped("fixtures") / "nano" / f"{NANO_TEXT.name}.safetensors")
    table = seeded(NANO_TEXT, SEED)[TABLE]
    table[stored.pop(IDS)] = stored[TABLE]
    return stored | {TABLE: table}
