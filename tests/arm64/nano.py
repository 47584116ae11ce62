"""What the tests on emulated cores show to which programs."""

from __future__ import annotations

from typing import Final

from pe_validate.case import Case
from pe_validate.inputs.images import default_pixels, samples
from pe_validate.models.config import MODELS

IMAGES: Final = samples(default_pixels(MODELS["PE-Nano"].image_size))


def case(precision: str) -> Case:
    """PE-Nano: its inference takes a second on an emulated core."""
    return Case("PE-Nano", "pte", precision)
